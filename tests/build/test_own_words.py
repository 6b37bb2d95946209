"""Errors name the user's own folders and the steps, never folders of the step store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from edgekit.build import rates, speed
from edgekit.build.naming import said
from edgekit.cli import main
from edgekit.system import paths
from tests.tiny import encoder as tiny
from tests.tiny import odd


def lacks_a_weight(folder: Path) -> Path:
    recipe = odd.classifier()(folder)
    weights = load_file(folder / "encoder" / "model.safetensors")
    weights.pop("bert.encoder.layer.0.attention.self.query.weight")
    save_file(weights, folder / "encoder" / "model.safetensors", metadata={"format": "pt"})
    return recipe


def has_another_tokenizer(folder: Path) -> Path:
    recipe = odd.decoder()(folder)
    shutil.copyfile(tiny.TOKENIZER, folder / "model" / "tokenizer.json")
    return recipe


def numbers_pieces_beyond_the_table(folder: Path) -> Path:
    recipe = odd.classifier()(folder)
    path = folder / "encoder" / "tokenizer.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    beyond = {**value["added_tokens"][0], "id": 900, "content": "<beyond>"}
    value["added_tokens"].append(beyond)
    value["model"]["vocab"] += [[f"piece {n}", -9.0] for n in range(900)]
    path.write_text(json.dumps(value), encoding="utf-8")
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("outputs:", "steps:\n  - trim_vocab: {}\noutputs:"), "utf-8")
    return recipe


def has_no_template(folder: Path) -> Path:
    recipe = odd.decoder()(folder)
    (folder / "model" / "chat_template.jinja").write_text("{% odd %}", encoding="utf-8")
    return recipe


FAILING: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a weight is missing": (lacks_a_weight, "encoder"),
    "another tokenizer": (has_another_tokenizer, "model/tokenizer.json"),
    "pieces beyond the table": (numbers_pieces_beyond_the_table, "encoder"),
    "a template that is none": (has_no_template, ""),
}


@pytest.fixture(autouse=True)
def _measured_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(rates, "MEASURED_TOKENS", 64)


@pytest.mark.parametrize(("make", "named"), FAILING.values(), ids=FAILING.keys())
def test_a_failing_recipe_names_no_folder_of_the_store(
    make: Callable[[Path], Path], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make(tmp_path / "odd")
    assert main(["compress", str(recipe), "--device", "cpu", "--json"]) == 1
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence.startswith("edgekit: ")
    assert str(paths.cache_dir()) not in sentence
    if named:
        assert str(recipe.parent / named) in sentence


def test_folders_of_the_store_have_names() -> None:
    store = paths.store_dir()
    own, left, other = (store / (mark * 64) for mark in "abc")
    partial = left.with_name(left.name + ".partial")
    names = {own: Path("/home/me/model"), left: "what 'prune' left", partial: "what 'prune' left"}
    sentences = {
        f"{own}: 2 weights are missing": "/home/me/model: 2 weights are missing",
        f"{own / 'config.json'}: odd.": "/home/me/model/config.json: odd.",
        f"{left / 'config.json'}: odd.": "config.json of what 'prune' left: odd.",
        f"{partial} is odd.": "what 'prune' left is odd.",
        f"{other / 'model.onnx'}: odd.": "model.onnx of finished work: odd.",
        "rows.csv:12: odd.": "rows.csv:12: odd.",
    }
    assert {sentence: said(sentence, names) for sentence in sentences} == sentences
