"""llama.cpp's own converter: run as a stranger, and what it writes is proven like our own."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from edgekit.checkpoint import converter
from edgekit.checkpoint.decoders import CONVERTED
from edgekit.errors import CheckpointError, ExportError
from edgekit.export.gguf import convert, llama_cpp_converter
from tests.tiny import llama as tiny_llama

SCRIPT = """\
import json, os, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
(here / "asked.json").write_text(json.dumps([sys.argv[1:], dict(os.environ)]))
if not (here / "ready.gguf").is_file():
    sys.exit("Model OlmoForCausalLM is not supported")
shutil.copyfile(here / "ready.gguf", sys.argv[sys.argv.index("--outfile") + 1])
"""
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the environment is made of a symbolic link"
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "checkpoint").mkdir()
    return tiny_llama.make_checkpoint(tmp_path / "checkpoint", "llama")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like llama.cpp's, with a converter that copies a file."""
    folder = tmp_path / "llama.cpp"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (folder / converter.SCRIPT).write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setenv(converter.VARIABLE, str(folder))
    return folder


def test_without_it_a_sentence_says_how_to_get_it(
    checkpoint: Path, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(converter.VARIABLE)
    with pytest.raises(CheckpointError, match="set EDGEKIT_LLAMA_CPP to the folder"):
        converter.run(checkpoint, tmp_path / "out.gguf")
    monkeypatch.setenv(converter.VARIABLE, str(sources))
    (sources / ".venv" / "bin" / "python").unlink()
    with pytest.raises(CheckpointError, match=r"bin/python is not there; .* python3 -m venv"):
        converter.run(checkpoint, tmp_path / "out.gguf")


def test_the_types_that_the_docs_promise_are_those_that_are_proven() -> None:
    assert set(CONVERTED) == set(tiny_llama.HYBRIDS)


def test_its_reason_is_told_and_nothing_of_our_environment_is(
    checkpoint: Path, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/edgekit")
    with pytest.raises(ExportError, match="failed \\(Model OlmoForCausalLM is not supported\\)"):
        converter.run(checkpoint, tmp_path / "out.gguf")
    arguments, environment = json.loads((sources / "asked.json").read_text(encoding="utf-8"))
    assert arguments[0] == str(checkpoint)
    assert arguments[-2:] == ["--outtype", "f16"]
    assert "PYTHONPATH" not in environment
    assert environment["HF_HUB_OFFLINE"] == "1"


def test_code_that_a_checkpoint_brings_along_never_runs(
    checkpoint: Path, sources: Path, tmp_path: Path
) -> None:
    path = checkpoint / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "auto_map": {"AutoTokenizer": "code.Tokenizer"}}))
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: 'auto_map' asks for code"):
        converter.run(checkpoint, tmp_path / "out.gguf")
    assert not (sources / "asked.json").exists()


def test_what_it_writes_is_proven_and_described(
    checkpoint: Path, sources: Path, tmp_path: Path
) -> None:
    """Our own file of the same checkpoint in its place: both records say the same."""
    (checkpoint / "chat_template.jinja").unlink()  # see test_llama_templates
    ours = convert.convert(checkpoint, sources / "ready.gguf")
    record = llama_cpp_converter.convert(checkpoint, tmp_path / "out.gguf")
    same = ("architecture", "parameters", "context", "kv_bytes_per_token", "chat")
    assert {key: record[key] for key in same} == {key: ours[key] for key in same}
    told = dict(ours["tokenizer"])
    del told["proven"], told["pieces"]
    assert record["tokenizer"] == told


def test_a_file_that_reads_texts_otherwise_is_refused(
    checkpoint: Path, sources: Path, tmp_path: Path
) -> None:
    (checkpoint / "chat_template.jinja").unlink()
    convert.convert(checkpoint, sources / "ready.gguf")
    (tmp_path / "other").mkdir()
    tiny_llama.make_tokenizer(tmp_path / "other", "qwen2")
    shutil.copyfile(tmp_path / "other" / "tokenizer.json", checkpoint / "tokenizer.json")
    with pytest.raises(ExportError, match=r"out\.gguf reads .* where the checkpoint's tokenizer"):
        llama_cpp_converter.convert(checkpoint, tmp_path / "out.gguf")
