"""Pairs of texts are read as transformers reads them: ids, token types, answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from edgekit.build import importing
from edgekit.checkpoint import held, models
from edgekit.checkpoint.encoders import ENCODERS, has_types
from edgekit.errors import CheckpointError
from edgekit.export.onnx.classifier import export
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TextTokenizer, clean
from edgekit.training import predict
from tests.tiny import pairs

MOST_ERROR = 1e-4
TYPED = {
    "bert": {}, "electra": {}, "albert": {}, "deberta-v2 types": {"type_vocab_size": 2},
}  # fmt: skip
_FAST = {"bert", "distilbert", "xlm-roberta", "mpnet", "deberta-v2"}
CASES = [
    pytest.param(one, marks=[] if one in _FAST else [pytest.mark.slow])
    for one in (*pairs.KINDS, "deberta-v2 types")
]


def made(case: str, folder: Path) -> Path:
    return pairs.make_checkpoint(folder / "made", case.split()[0], **TYPED.get(case, {}))


def imported(folder: Path) -> Path:
    out = folder.parent / "imported"
    out.mkdir()
    importing.import_checkpoint(folder, out)
    return out


def test_every_architecture_is_covered() -> None:
    assert set(pairs.KINDS) == set(ENCODERS)


@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_transformers_pipeline(case: str, tmp_path: Path) -> None:
    folder = made(case, tmp_path)
    asked = pairs.pipeline(folder)
    wanted = np.array([pairs.theirs(asked, pair) for pair in pairs.PAIRS])
    out = imported(folder)
    importing.hold(out, list(pairs.PAIRS), prefix="", max_tokens=60)
    found = predict.logits(out, list(pairs.PAIRS), max_tokens=60)
    assert np.abs(found - wanted).max() <= MOST_ERROR
    (tmp_path / "onnx").mkdir()
    path = export(out, tmp_path / "onnx")
    encoder = TextTokenizer(out / "tokenizer.json", max_tokens=60, pairs=True)
    with OnnxClassifier(path.read_bytes, encoder) as model:
        model.probe()
        answers = np.stack([logits for logits, _ in model.map(pairs.PAIRS)])
    assert np.abs(answers - wanted).max() <= MOST_ERROR


@pytest.mark.parametrize("case", CASES)
def test_only_models_with_types_are_given_them(case: str, tmp_path: Path) -> None:
    """And where they are, they decide: without them the answers are others."""
    folder = made(case, tmp_path)
    config = models.read_config(folder)
    assert has_types(config) is (case in TYPED)
    if case not in TYPED:
        return
    asked = pairs.pipeline(folder)
    plain = TextTokenizer(folder / "tokenizer.json", max_tokens=60)
    untyped: Any = models.load_classifier(folder)
    [part] = plain.parts(pairs.PAIRS[0])
    assert set(part.types) == {0, 1}
    bare = untyped(predict.torch.tensor([part.ids])).logits[0].detach().numpy()
    assert np.abs(bare - pairs.theirs(asked, pairs.PAIRS[0])).max() > MOST_ERROR


def test_a_tokenizer_that_types_pairs_in_its_own_way_is_refused(tmp_path: Path) -> None:
    """transformers' class gives this model no types, and tokenizer.json sets them."""
    out = imported(made("bert", tmp_path))
    path = out / "tokenizer_config.json"
    told = {**json.loads(path.read_text("utf-8")), "model_input_names": ["input_ids"]}
    path.write_text(json.dumps(told), encoding="utf-8")
    held.check(out, ["lamp on"], max_tokens=60)
    with pytest.raises(
        CheckpointError, match=r"pair 'lamp on' and 'lamp off' with the token types"
    ):
        held.check(out, [("lamp on", "lamp off")], max_tokens=60)


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, TextTokenizer]]:
    """transformers' tokenizer and edgekit's, by the kind of model."""
    found = {}
    for kind in ("bert", "xlm-roberta", "mpnet"):
        folder = tmp_path_factory.mktemp(kind)
        pair, types = pairs.KINDS[kind]
        pairs.make_tokenizer(folder, pair=pair, types=types)
        ours = TextTokenizer(folder / "tokenizer.json", max_tokens=4096)
        found[kind] = AutoTokenizer.from_pretrained(folder), ours
    return found


TEXT = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from(list("lamp the </s>éأ灯"))), min_size=1
)
"""An empty second text, which transformers takes for none, is refused before it gets here."""


@settings(deadline=None)
@given(kind=st.sampled_from(["bert", "xlm-roberta", "mpnet"]), first=TEXT, second=TEXT)
def test_ids_and_types_are_those_of_transformers(
    readers: dict[str, tuple[Any, TextTokenizer]], kind: str, first: str, second: str
) -> None:
    theirs, ours = readers[kind]
    told = theirs(clean(first), clean(second))
    [part] = ours.parts((first, second))
    assert part.ids == told["input_ids"]
    assert list(part.types) == told.get("token_type_ids", list(part.types))
