"""Files of quantized weights are read whatever kernels llama.cpp was compiled with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import llama_cpp
import pytest

from edgekit.runtime.gguf import loading


@pytest.mark.parametrize(
    ("info", "wanted"),
    [(b"AVX2 = 1 | REPACK = 1 | ", True), (b"AVX2 = 1 | AMX_INT8 = 1 | REPACK = 1 | ", False)],
)
def test_kernels_for_amx_are_left_out(info: bytes, wanted: bool) -> None:
    assert loading._extra_kernels(info) is wanted
    assert loading.settings().use_extra_bufts is loading._extra_kernels(
        llama_cpp.llama_print_system_info()
    )


_READ = """
import sys
from pathlib import Path
from edgekit.runtime.gguf.native import Llama, Opening
from edgekit.system.cancel import Cancel

model = Llama(Path(sys.argv[1]), Opening(context=64, threads=1))
model.evaluate(model.tokenize("All human beings are born free and equal.", special=False), Cancel())
print(len(model.tokens))
"""


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1"])
def test_a_prompt_of_many_tokens_is_read_from_quantized_weights(
    tiny_gguf: Path, tmp_path: Path, kind: str
) -> None:
    """In a process of its own: broken kernels end it without a word."""
    asked = llama_cpp.llama_model_quantize_default_params()
    asked.ftype, asked.nthread = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}"), 1
    target = tmp_path / "quantized.gguf"
    assert llama_cpp.llama_model_quantize(str(tiny_gguf).encode(), str(target).encode(), asked) == 0
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(target)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, int(done.stdout or 0) > 5) == (0, True), done.stderr
