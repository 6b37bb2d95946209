"""trim_vocab, prune, distill and int8 of a Marian: both of its tokenizers, and every direction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

import edgekit
from edgekit.build import plan
from edgekit.build.build import compress
from edgekit.checkpoint.frames import TARGET
from edgekit.errors import StepError
from edgekit.recipe import recipe
from edgekit.runtime.tokens import TOKENIZER
from tests.tiny import translator as tiny


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_marian(tmp_path_factory.mktemp("marian"))


def made(project: Path, marian: Path, *changes: str, count: int = 60) -> Path:
    path = tiny.make_project(project, marian, count=count)
    bound = recipe.read(path, changes=["must={}", *changes])
    [artifact] = compress(plan.make(bound)).artifacts
    return artifact.path


def test_it_is_trimmed_pruned_distilled_and_quantized(tmp_path: Path, marian: Path) -> None:
    artifact = made(
        tmp_path / "project",
        marian,
        "steps=[{trim_vocab: {coverage: 0.95, most_tokens_rise: 9}}, {prune: {decoder_layers: 1}}, "
        "{finetune: {epochs: 1}}, {distill: {epochs: 1}}]",
        "outputs=[{onnx: {quantize: int8}}]",
    )
    manifest = edgekit.inspect(artifact).artifact.manifest
    trim, prune, finetune, distill = (step for step in manifest.steps if step["step"] != "onnx")
    assert trim["after"]["pieces_removed"] > 0
    # Texts by the one tokenizer, translations by the other.
    assert set(trim["proof"]["by_language"]) >= {"en", "→fr", "→sw"}
    assert trim["proof"]["by_language"]["en"]["bit_equal"] > 0
    assert prune["after"]["decoder_layers"] == [0]
    assert 0 < finetune["after"]["validation_likelihood"] < 1
    assert distill["after"]["texts"] > 10
    frames = manifest.model.translation
    assert frames is not None
    tokenizer = Tokenizer.from_file(str(artifact / TOKENIZER))
    for name, code in (("en→fr", ">>fra<<"), ("en→sw", ">>swa<<")):
        [number] = frames.frames[name].before
        assert tokenizer.id_to_token(number) == "\uffff" + code
    with edgekit.load(artifact) as model:
        assert model.translate("lamp on", to="sw").parts == 1


def test_both_tokenizers_are_cut_alike_and_the_texts_kept_come_out_the_same(
    tmp_path: Path, marian: Path
) -> None:
    project = tmp_path / "project"
    made(project, marian, "steps=[{trim_vocab: {coverage: 0.95, most_tokens_rise: 9}}]", count=30)
    before = Tokenizer.from_file(str(project / "out" / "teacher" / TARGET))
    artifact = project / "out" / "tiny-onnx"
    after = Tokenizer.from_file(str(artifact / TOKENIZER))
    for row in map(json.loads, (project / "data" / "train.jsonl").read_text().splitlines()):
        pieces = [before.id_to_token(number) for number in before.encode(row["target"]).ids]
        numbers = [
            after.token_to_id(piece) or after.token_to_id("\uffff" + piece) for piece in pieces
        ]
        if None not in numbers:
            assert after.decode(numbers, skip_special_tokens=True).strip() == row["target"]


def test_a_size_for_two_tokenizers_is_refused(tmp_path: Path, marian: Path) -> None:
    with pytest.raises(StepError, match="set coverage instead"):
        made(tmp_path / "project", marian, "steps=[{trim_vocab: {size: 500}}]", count=30)
