"""Importance is what torch sees, and a killed measurement goes on to the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from edgekit.data import spread
from edgekit.data.rows import Row
from edgekit.export.gguf import calibration, convert, importance
from tests.tiny import llama as tiny_llama

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TOKENS = [list(range(5, 45)), list(range(300, 380, 2)), [7, 9, 400, 12, 600]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama.make_checkpoint(tmp_path_factory.mktemp("importance") / "checkpoint")


@pytest.fixture(scope="module")
def half(checkpoint: Path) -> Path:
    out = checkpoint.parent / "half.gguf"
    convert.convert(checkpoint, out)
    return out


@pytest.fixture(scope="module")
def measured(half: Path) -> Path:
    out = half.parent / "importance.npz"
    importance.measure(half, TOKENS, out, threads=1)
    return out


def seen_by_torch(checkpoint: Path) -> dict[str, np.ndarray]:
    """Mean squares of the inputs of every linear layer, by the names of the GGUF."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    sums: dict[str, np.ndarray] = {}

    def listen(name: str, module: torch.nn.Module) -> None:
        def hook(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            squares = inputs[0].double().square().flatten(0, -2).sum(0).numpy()
            sums[name] = sums.get(name, 0) + squares

        module.register_forward_pre_hook(hook)

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            listen(gguf_name(name), module)
    with torch.inference_mode():
        for sequence in TOKENS:
            model(torch.tensor([sequence]))
    count = sum(map(len, TOKENS))
    return {name: values / count for name, values in sums.items()}


def gguf_name(name: str) -> str:
    if name == "lm_head":
        return "token_embd.weight"  # tied
    _, _, layer, module = name.split(".", 3)
    return f"blk.{layer}.{NAMES[module]}.weight"


def test_importance_is_what_hooks_in_torch_see(checkpoint: Path, measured: Path) -> None:
    wanted, found = seen_by_torch(checkpoint), importance.read(measured)
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=0.02, atol=1e-6, err_msg=name)


def test_a_killed_measurement_goes_on_to_the_same_numbers(
    half: Path, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importance, "PART_TOKENS", 1)
    read: list[float] = []

    def stop_after_one(fraction: float) -> None:
        if fraction > 40 / 85:
            raise KeyboardInterrupt
        read.append(fraction)

    out = tmp_path / "importance.npz"
    with pytest.raises(KeyboardInterrupt):
        importance.measure(
            half, TOKENS, out, threads=1, on_progress=stop_after_one, progress=tmp_path / "progress"
        )
    read.clear()
    importance.measure(
        half, TOKENS, out, threads=1, on_progress=read.append, progress=tmp_path / "progress"
    )
    assert min(read) > 40 / 85  # the first sequence was not read again
    for name, values in importance.read(measured).items():
        np.testing.assert_allclose(importance.read(out)[name], values, rtol=1e-5, err_msg=name)


def test_every_language_has_the_same_share(half: Path) -> None:
    rows = [
        *(Row(text, language="en") for text in tiny_llama.texts(["en"], of_each=40)),
        *(Row(text, language="fr") for text in tiny_llama.texts(["fr"], of_each=4)),
        *(Row(text, language="ru") for text in tiny_llama.texts(["ru"], of_each=4)),
        *(Row(text) for text in tiny_llama.texts(["sw"], of_each=4)),
    ]
    chosen = calibration.choose(half, rows, languages=["en", "fr"], tokens=600, seed=1)
    assert set(chosen.by_language) == {"en", "fr", "unknown"}
    assert chosen.count == sum(map(len, chosen.tokens)) >= 600
    longest = max(map(len, chosen.tokens))
    assert max(chosen.by_language.values()) - min(chosen.by_language.values()) <= longest


def test_few_tokens_of_many_languages_are_of_all_of_them(half: Path) -> None:
    """Long texts are cut, so that the first few languages do not take it all."""
    languages = ["en", "es", "fr", "ru"]
    rows = [
        Row(" ".join(tiny_llama.texts([language], of_each=40)), language=language)
        for language in languages
    ]
    tokens = len(languages) * calibration.LEAST_WINDOW
    chosen = calibration.choose(half, rows, languages=languages, tokens=tokens, seed=1)
    assert chosen.by_language == dict.fromkeys(languages, calibration.LEAST_WINDOW)


def test_what_a_language_lacks_the_others_give() -> None:
    counts = spread.fill({"sw": [10], "en": [30, 30, 30, 30], "fr": [30, 30, 30, 30]}, 190)
    assert counts == {"sw": 1, "en": 3, "fr": 3}
