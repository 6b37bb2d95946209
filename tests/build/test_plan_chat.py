"""What a recipe of the task chat may ask, refused in a sentence before a weight is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit import tables
from edgekit.artifact import manifest
from edgekit.build import plan
from edgekit.data.rows import read_documents, read_questions
from edgekit.errors import ArtifactError, DataError, EdgekitError, RecipeError
from edgekit.recipe import dataset as data
from edgekit.recipe import recipe
from edgekit.runtime.opening import check_spec
from edgekit.tables import Family
from edgekit.tasks.chat.proof import judge as chat
from tests.tiny import chat as tiny_chat
from tests.tiny import encoder as tiny


def replace(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def in_recipe(old: str, new: str) -> Callable[[Path], None]:
    return lambda project: replace(project, "recipe.yaml", old, new)


def with_encoder(project: Path) -> None:
    (project / "encoder").mkdir()
    tiny.make_encoder(project / "encoder", labels=tiny.LABELS)
    replace(project, "recipe.yaml", "./model", "./encoder")


def with_a_classifiers_head(project: Path) -> None:
    path = project / "model" / "config.json"
    config = json.loads(path.read_text())
    config["architectures"] = ["LlamaForSequenceClassification"]
    path.write_text(json.dumps(config))


def with_leak(project: Path) -> None:
    """A conversation of the test set trains as a text."""
    told = next(row for row in tiny_chat.rows("test") if "messages" in row)
    text = "\n".join(turn["content"] for turn in told["messages"])
    with (project / "data" / "train.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"text": text.upper(), "language": "en"}) + "\n")


def with_questions(project: Path, records: list[dict[str, Any]]) -> None:
    tiny_chat.write_rows(project / "data" / "choices.jsonl", records)
    replace(project, "recipe.yaml", "data:\n", "data:\n  choices: data/choices.jsonl\n")


def with_questions_that_train(project: Path) -> None:
    text = next(row["text"] for row in tiny_chat.rows("train") if "text" in row)
    asked = {"text": text, "choices": ["yes", "no"], "label": "no", "language": "en"}
    with_questions(project, [asked])


def with_strange_questions(project: Path) -> None:
    asked = {"text": "ja oder nein?", "choices": ["ja", "nein"], "label": "ja", "language": "de"}
    with_questions(project, [asked])


BAD: dict[str, tuple[Callable[[Path], object], type[EdgekitError], str]] = {
    "must of classification": (
        in_recipe("{kld: 0.05,", "{worst_language: 0.9,"),
        RecipeError,
        "recipe.yaml:10: 'must.worst_language' is for the task classification, summarization and "
        "translation; chat has keep, kld, ppl_ratio, top1, worst_language_kld",
    ),
    "metric": (in_recipe("{kld:", "{metric: accuracy, kld:"), RecipeError, "'must.metric' is for"),
    "must of chat": (
        in_recipe("task: chat", "task: classification"),
        RecipeError,
        "'must.kld' is for the task chat; classification has keep, metric, worst_language",
    ),
    "keep without questions": (
        in_recipe("{kld: 0.05,", "{keep: 0.9,"),
        RecipeError,
        "recipe.yaml:10: 'must.keep' asks for proof, and data has no 'choices' to judge on",
    ),
    "questions that train": (
        with_questions_that_train,
        DataError,
        "1 texts of data.choices are also in data.train",
    ),
    "questions in another language": (
        with_strange_questions,
        RecipeError,
        "no row of data.choices is in a language of the recipe",
    ),
    "must's range": (in_recipe("kld: 0.05", "kld: 0"), RecipeError, "'must.kld' cannot be 0"),
    "prefix": (
        in_recipe("seed: 7", "prefix: 'query: '"),
        RecipeError,
        "recipe.yaml:13: 'prefix' belongs to classification",
    ),
    "latency": (
        in_recipe("seed: 7", "target: {latency_p95: 20ms}"),
        RecipeError,
        "'target.latency_p95' is for classification; a chat model's answers take",
    ),
    "no test set": (
        in_recipe("  test: data/test.jsonl\n", ""),
        RecipeError,
        "'must' asks for proof, and data has no 'test' rows",
    ),
    "output for classifiers": (
        in_recipe("gguf: {quantize: q8_0, calibration_tokens: 256}", "onnx: {}"),
        RecipeError,
        "recipe.yaml:12: output 1 (onnx) cannot hold a model for chat; write gguf",
    ),
    "an encoder": (
        with_encoder,
        RecipeError,
        "is a bert model, which reads texts and writes none and is not for chat; write task: cl",
    ),
    "a classifier's head": (with_a_classifiers_head, RecipeError, "labels texts, although"),
    "no texts but those that judge": (
        in_recipe("  train: data/train.jsonl\n  validation: data/validation.jsonl\n", ""),
        DataError,
        "recipe.yaml:6: data names neither 'train' nor 'validation' nor 'unlabeled'",
    ),
    "test rows in training": (with_leak, DataError, "1 texts of data.test are also in data.train"),
    "a language without test rows": (
        in_recipe("[en, fr, sw]", "[en, fr, sw, de]"),
        RecipeError,
        "no row of data.test is in 'de'",
    ),
    "a window that the model does not have": (
        in_recipe("seed: 7", "max_tokens: 4096"),
        RecipeError,
        "max_tokens is 4096, and the model reads at most 512",
    ),
}


@pytest.mark.parametrize(("spoil", "kind", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_work_is_refused_before_a_weight_is_loaded(
    chat_project: Path, spoil: Callable[[Path], object], kind: type[EdgekitError], sentence: str
) -> None:
    spoil(chat_project)
    with pytest.raises(kind) as caught:
        plan.make(recipe.read(chat_project / "recipe.yaml"))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_decoder_is_no_classifier(project: Path, made_chat_project: Path) -> None:
    replace(project, "recipe.yaml", "./encoder", str(made_chat_project / "model"))
    with pytest.raises(
        RecipeError, match="continues texts and is not for classification; write task: chat"
    ):
        plan.make(recipe.read(project / "recipe.yaml"))


def test_a_step_of_another_task_is_refused(
    chat_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tables.STEPS, "spy", {Family.ENCODER: "tests.build.spy_step"})
    replace(chat_project, "recipe.yaml", "outputs:", "steps: [spy: {}]\noutputs:")
    sentence = r"recipe.yaml:11: step 1 \(spy\) is not for the task chat, whose steps are: .*; rem"
    with pytest.raises(RecipeError, match=sentence):
        recipe.read(chat_project / "recipe.yaml")


def test_a_classifier_is_no_gguf(project: Path) -> None:
    replace(project, "recipe.yaml", "onnx: {quantize: int8}", "gguf: {}")
    with pytest.raises(RecipeError, match=r"output 1 \(gguf\) cannot hold a model for classif"):
        plan.make(recipe.read(project / "recipe.yaml"))


def test_a_plan_knows_every_piece_of_work(chat_project: Path) -> None:
    (chat_project / "raw.txt").write_text("a text that nobody labelled\n", encoding="utf-8")
    replace(chat_project, "recipe.yaml", "data:\n", "data:\n  unlabeled: raw.txt\n")
    before = sorted(chat_project.rglob("*"))
    made = plan.make(recipe.read(chat_project / "recipe.yaml"))
    assert [step.name for step in made.steps] == ["checkpoint", "teacher", "gguf"]
    assert all(step.cost.seconds > 0 for step in made.steps)
    assert made.dataset.labels == ()
    assert made.dataset.unlabeled == ("a text that nobody labelled",)
    assert sorted(chat_project.rglob("*")) == before
    trial = plan.make(recipe.read(chat_project / "recipe.yaml"), smoke=True)
    assert len(trial.dataset.test) == chat.TRIAL_ROWS
    assert {row.language for row in trial.dataset.test} == set(tiny_chat.LANGUAGES)


def test_no_step_sees_what_judges(chat_project: Path) -> None:
    asked = {"text": "day?", "choices": ["yes", "no"], "label": "no", "language": "en"}
    with_questions(chat_project, [asked])
    bound = recipe.read(chat_project / "recipe.yaml")
    dataset = data.read(bound, labels=())
    assert (len(dataset.choices), len(dataset.test)) == (1, 60)
    seen = dataset.without_test()
    assert (seen.choices, seen.test) == ((), ())
    assert {"choices", "test"} <= set(dataset.digests)
    assert not {"choices", "test"} & set(seen.digests)


def test_rows_are_texts_or_conversations(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    path = tiny_chat.write_rows(
        tmp_path / "rows.jsonl",
        [{"text": "alone", "language": "sw"}, {"messages": turns, "label": "left alone"}],
    )
    alone, told = read_documents(path)
    assert (alone.text, alone.language, alone.messages) == ("alone", "sw", ())
    assert (told.text, told.messages) == ("hi\nhello", tuple(turns))
    table = tmp_path / "rows.csv"
    table.write_text('messages,language\n"' + json.dumps(turns).replace('"', '""') + '",en\n')
    assert read_documents(table)[0].messages == tuple(turns)


@pytest.mark.parametrize(
    "record",
    [
        {"messages": []},
        {"messages": "no JSON"},
        {"messages": {"role": "user", "content": "hi"}},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"text": ""},
        {"label": "x"},
    ],
)
def test_a_row_that_is_neither_names_its_place(tmp_path: Path, record: dict[str, Any]) -> None:
    path = tiny_chat.write_rows(tmp_path / "rows.jsonl", [{"text": "fine"}, record])
    with pytest.raises(DataError, match=r"rows\.jsonl:2: "):
        read_documents(path)


def test_questions_have_choices_or_all_labels(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "2 + 2?"}]
    records = [
        {"text": "Is it day?", "choices": ["yes", "no"], "label": "no"},
        {"messages": turns, "label": "4", "language": "en"},
        {"text": "3 + 3?", "label": "6"},
    ]
    given, told, plain = read_questions(tiny_chat.write_rows(tmp_path / "rows.jsonl", records))
    assert (given.choices, given.label) == (("yes", "no"), "no")
    assert (told.choices, told.messages, told.language) == (("4", "6", "no"), tuple(turns), "en")
    assert plain.choices == ("4", "6", "no")
    table = tmp_path / "rows.csv"
    table.write_text('text,choices,label\nday?,"[""yes"", ""no""]",no\n')
    assert read_questions(table)[0].choices == ("yes", "no")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"choices": ["a", "b"], "label": "c"}, "'c' is none of the choices"),
        ({"choices": ["a", "a"], "label": "a"}, "list of different texts"),
        ({"choices": "a, b", "label": "a"}, "is not JSON"),
        ({"choices": ["a"], "label": "a"}, "one choice alone"),
        ({"choices": ["a", "b"]}, "there is no column 'label'"),
    ],
)
def test_a_question_that_cannot_be_asked_names_its_place(
    tmp_path: Path, record: dict[str, Any], said: str
) -> None:
    path = tiny_chat.write_rows(tmp_path / "rows.jsonl", [{"text": "well?", **record}])
    with pytest.raises(DataError, match=r"rows\.jsonl:1: ") as caught:
        read_questions(path)
    assert said in str(caught.value)


def chat_fields(**changes: Any) -> dict[str, Any]:
    known = {"template_sha256": "", "context": 512, "kv_bytes_per_token": 256, "vocabulary": 1003}
    model = {
        "format": "gguf", "files": ["model.gguf"], "quantization": "q8_0", "parameters": 10,
        "max_tokens": 512, "prefix": "", "temperature": 1.0, "abstain_below": 0.0,
        "chat": {**known, **changes},
    }  # fmt: skip
    return {
        "name": "tiny", "task": "chat", "languages": ["en"], "labels": [], "model": model,
        "files": [{"path": "model.gguf", "size_bytes": 1, "sha256": "0" * 64}],
        "needs": {"disk_bytes": 1, "ram_bytes": 1, "cpu": "any"}, "quality": {}, "steps": [],
        "recipe": {}, "lock": {}, "licence": "cc0-1.0", "parents": [],
    }  # fmt: skip


def test_the_manifest_says_what_a_conversation_needs() -> None:
    found = manifest.decode(manifest.encode(chat_fields(template_sha256="a" * 64)))
    assert found.model.chat is not None
    assert found.model.chat.kv_bytes_per_token == 256
    assert manifest.encode({key: value for key, value in found.as_json().items()
                            if key not in ("digest", "format_version")})  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"context": -1}, {"vocabulary": "many"}, {"template_sha256": "short"}, {"more": 1}],
)
def test_a_manifest_of_other_making_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="chat"):
        manifest.encode(chat_fields(**changes))


def test_a_classifier_has_no_conversation_and_a_chat_model_must_have_one() -> None:
    fields = chat_fields()
    strange = manifest.decode(manifest.encode({**fields, "task": "classification"}))
    with pytest.raises(ArtifactError, match="must not have 'chat'"):
        check_spec(strange)
    del fields["model"]["chat"]
    with pytest.raises(ArtifactError, match="must have 'chat'"):
        check_spec(manifest.decode(manifest.encode(fields)))
    found = manifest.decode(manifest.encode({**fields, "task": "classification"}))
    assert "chat" not in found.as_json()["model"]


@given(st.sampled_from(sorted(tables.task("chat").must)), st.floats(1e-6, 1))
def test_every_limit_of_chat_is_read(key: str, limit: float) -> None:
    assert getattr(recipe.Must.model_validate({key: limit}), key) == limit
    assert recipe.Must.model_validate({key: limit}).asks()
