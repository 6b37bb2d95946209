"""What config.json says of a classifier's answer is read as transformers reads it, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import (
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from edgekit.build.plan import make
from edgekit.checkpoint import models
from edgekit.checkpoint.describe import describe
from edgekit.errors import EdgekitError
from edgekit.recipe import recipe
from tests.tiny import encoder as tiny

SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
ENCODERS = {
    "albert": {**SIZES, "intermediate_size": 64, "embedding_size": 16},
    "bert": {**SIZES, "intermediate_size": 64},
    "camembert": {**SIZES, "intermediate_size": 64},
    "deberta": {**SIZES, "intermediate_size": 64},
    "deberta-v2": {**SIZES, "intermediate_size": 64},
    "distilbert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64},
    "electra": {**SIZES, "intermediate_size": 64, "embedding_size": 32},
    "modernbert": {**SIZES, "intermediate_size": 64, "pad_token_id": 1},
    "mpnet": {**SIZES, "intermediate_size": 64},
    "roberta": {**SIZES, "intermediate_size": 64},
    "xlm-roberta": {**SIZES, "intermediate_size": 64},
}
SEQ_CLS = AutoModelForSequenceClassification


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_encoder(tmp_path_factory.mktemp("classifier"), labels=tiny.LABELS)


@pytest.fixture
def project(made_project: Path, classifier: Path, tmp_path: Path) -> Path:
    """The recipe of the tests, whose encoder has a head already."""
    folder = Path(shutil.copytree(made_project, tmp_path / "project"))
    shutil.rmtree(folder / "encoder")
    shutil.copytree(classifier, folder / "encoder")
    return folder


def change(folder: Path, **changes: object) -> None:
    path = folder / "encoder" / "config.json"
    kept = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in kept.items() if value is not ...}))


def save_as(folder: Path, kind: type, **changes: object) -> None:
    """Another model of the same encoder, with the head of `kind`."""
    config = AutoConfig.from_pretrained(folder / "encoder", **changes)
    kind.from_config(config).save_pretrained(folder / "encoder")  # type: ignore[attr-defined]


THREE = {str(number): label for number, label in enumerate(tiny.LABELS)}
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "regression": (
        lambda p: change(p, problem_type="regression"),
        "'problem_type' is regression, so the model gives numbers and no labels",
    ),
    "one score": (
        lambda p: save_as(p, SEQ_CLS, num_labels=1),
        "one score and no choice of labels, as rerankers and regression do",
    ),
    "an unknown problem": (
        lambda p: change(p, problem_type="multilabel"),
        "'problem_type' is 'multilabel', which transformers does not know either",
    ),
    "a name that could not be written in a set": (
        lambda p: change(
            p, problem_type="multi_label_classification", id2label={**THREE, "1": "a|b"}
        ),
        "the label 'a|b' has the sign '|', which stands between the labels of a text",
    ),
    "too few names": (
        lambda p: change(p, id2label={"0": "heat", "1": "light"}),
        "'id2label' names 2 labels, and the head in the weights gives 3 scores",
    ),
    "too many names": (
        lambda p: change(p, id2label={**THREE, "3": "door"}),
        "'id2label' names 4 labels, and the head in the weights gives 3 scores",
    ),
    "no names": (
        lambda p: change(p, id2label=..., label2id=...),
        "without 'id2label' it has 2 labels, and the head in the weights gives 3 scores",
    ),
    "a doubled name": (
        lambda p: change(p, id2label={**THREE, "2": "heat"}),
        "'id2label' names the label 'heat' 2 times",
    ),
    "a name that cannot be shown": (
        lambda p: change(p, id2label={**THREE, "1": "li\u202eght"}),
        "label 1 of 'id2label' is empty or has control characters",
    ),
    "names that are no mapping": (
        lambda p: change(p, id2label=3),
        "'id2label' does not number its labels from 0",
    ),
    "no architecture, with a head": (
        lambda p: change(p, architectures=None),
        "a head with 3 scores (classifier.weight), and 'architectures' is missing",
    ),
    "a head for tokens": (
        lambda p: save_as(p, AutoModelForTokenClassification),
        "(classifier.weight), and 'architectures' says BertForTokenClassification",
    ),
    "a head for choices": (
        lambda p: save_as(p, AutoModelForMultipleChoice),
        "a head with 1 scores (classifier.weight), and 'architectures' says BertForMultipleChoice",
    ),
    "a class of its own": (
        lambda p: change(p, architectures=["BertForMultiLabelSequence"]),
        "and 'architectures' says BertForMultiLabelSequence; if it labels whole texts, write",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_choice_of_labels_is_refused_by_the_plan(
    project: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(project)
    with pytest.raises(EdgekitError) as caught:
        make(recipe.read(project / "recipe.yaml"))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model_type", ENCODERS)
def test_labels_and_scores_are_counted_in_every_encoder(model_type: str, tmp_path: Path) -> None:
    config = AutoConfig.for_model(model_type, vocab_size=40, num_labels=5, **ENCODERS[model_type])
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tiny.make_tokenizer(tmp_path)
    assert describe(tmp_path).labels == tuple(f"LABEL_{number}" for number in range(5))
    path = tmp_path / "config.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "id2label": {"0": "no", "1": "yes"}}))
    with pytest.raises(
        EdgekitError, match="'id2label' names 2 labels, and the head in the weights"
    ):
        describe(tmp_path)


def test_a_count_without_names_is_read_as_transformers_reads_it(project: Path) -> None:
    change(project, id2label=..., label2id=..., num_labels=3)
    assert describe(project / "encoder").labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert models.load_classifier(project / "encoder").config.num_labels == 3


def test_an_encoder_without_a_head_needs_no_architecture(tmp_path: Path) -> None:
    tiny.make_encoder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "architectures": None}))
    found = describe(tmp_path)
    assert (found.labels, found.strange_head) == (None, None)


HEADS_ELSEWHERE = {
    "qwen2": "Qwen2ForSequenceClassification",
    "bart": "BartForSequenceClassification",
}


@pytest.mark.parametrize("task", ["classification", "chat", "summarization"])
@pytest.mark.parametrize("model_type", HEADS_ELSEWHERE)
def test_a_head_on_other_families_is_refused_without_advice_in_a_circle(
    project: Path, model_type: str, task: str
) -> None:
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 32, "encoder_ffn_dim": 64}
    sizes |= {"decoder_ffn_dim": 64, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    small = {**SIZES, "intermediate_size": 64, "num_key_value_heads": 2}
    shape = small if model_type == "qwen2" else sizes
    config = AutoConfig.for_model(model_type, vocab_size=40, num_labels=3, **shape)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(project / "encoder")
    path = project / "recipe.yaml"
    path.write_text(
        f"version: 1\nname: x\ntask: {task}\nlanguages: [en]\nmodel: ./encoder\n"
        f"data: {{train: data/train.csv}}\noutputs:\n"
        f"  - {'gguf' if task == 'chat' else 'onnx'}: {{}}\n"
    )
    with pytest.raises(EdgekitError) as caught:
        make(recipe.read(path))
    told = str(caught.value)
    assert (
        f"({HEADS_ELSEWHERE[model_type]}), and edgekit reads such a head on encoders alone" in told
    )
    assert "write task:" not in told
