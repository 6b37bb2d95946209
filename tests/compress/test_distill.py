"""A teacher of two layers, trained for a moment, and what students of every kind learn from it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from tiny_job import make_job
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    PreTrainedTokenizerFast,
)

from edgekit import plan, recipe
from edgekit.compress import distill, distilling, finetune, layers, predict, teaching, training
from edgekit.compress.architectures import ARCHITECTURES
from edgekit.compress.batches import examples
from edgekit.compress.checkpoint import describe
from edgekit.compress.distill import DistillSettings
from edgekit.compress.finetune import FinetuneSettings
from edgekit.compress.models import load_classifier, save
from edgekit.compress.structured import units
from edgekit.errors import RecipeError, StepError
from edgekit.export.onnx import export
from edgekit.export.quantize import quantize
from edgekit.job import Job, Make
from edgekit.runtime.onnx import MOST_THREADS, OnnxClassifier
from edgekit.runtime.text import TextEncoder
from edgekit.settings import kept_layers
from edgekit.store import Finished, Store

QUICK: dict[str, Any] = {"epochs": 2, "augment": 1, "learning_rate": 1e-3}
TABLE = "static.embeddings.weight"


@pytest.fixture(scope="module")
def teacher(made_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder with a head, fine-tuned until it knows the tiny texts."""
    folder = tmp_path_factory.mktemp("teacher")
    job = make_job(made_project, made_project / "encoder", folder, run_stored=None)
    finetune.run(FinetuneSettings(epochs=6, batch_size=16, learning_rate=3e-3), job)
    for path in folder.glob("progress"):
        shutil.rmtree(path)
    return folder


@pytest.fixture
def job(made_project: Path, teacher: Path, tmp_path: Path) -> Iterator[Job]:
    with Store(tmp_path / "store") as store:

        def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
            return store.run(name, inputs, lambda out: make(out, lambda fraction: None))

        out = tmp_path / "out"
        out.mkdir()
        yield make_job(made_project, teacher, out, run_stored=run_stored)


def changed(job: Job, **changes: Any) -> Job:
    """The job with changes, and an empty folder of its own to write into."""
    out = job.out.parent / f"out-{len(list(job.out.parent.iterdir()))}"
    out.mkdir()
    return dataclasses.replace(job, **{"out": out, **changes})


def stored(job: Job, name: str) -> list[Path]:
    """Folders of the store's entries of one name."""
    store = Store(job.out.parent / "store")
    return [entry.folder for entry in store.entries() if entry.name == name]


def logits(folder: Path, job: Job) -> np.ndarray:
    return predict.logits(folder, [row.text for row in job.dataset.validation], max_tokens=64)


@pytest.mark.parametrize(
    ("wanted", "of", "kept"),
    [
        (6, 12, [0, 2, 4, 7, 9, 11]), (4, 12, [0, 4, 7, 11]), (3, 12, [0, 6, 11]),
        (2, 12, [0, 11]), (1, 12, [0]), (12, 12, [*range(12)]), (4, 2, [0, 1]), ([1, 3], 4, [1, 3]),
    ],
)  # fmt: skip
def test_the_first_and_last_layer_stay_and_even_ones_between(
    wanted: Any, of: int, kept: list[int]
) -> None:
    assert kept_layers(wanted, of) == kept


SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 80, "pad_token_id": 1, "num_labels": 3,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 32},
    "distilbert": {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64},
    "electra": {"embedding_size": 32},
    "deberta": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    "deberta-v2": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
    # The second kept layer looks at everything where it stood, and nearby where it comes to stand.
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 4},
}


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_kept_layers_are_the_checkpoints_and_reload_as_the_same_model(
    model_type: str, tmp_path: Path
) -> None:
    tokenizer = tiny.make_tokenizer(tmp_path)
    torch.manual_seed(0)
    fields = {**SMALL, **OWN.get(model_type, {}), "vocab_size": len(tokenizer)}
    whole = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(model_type, **fields)
    )
    whole.save_pretrained(tmp_path)
    smaller = layers.keep_layers(tmp_path, [0, 2])
    assert smaller.config.num_hidden_layers == 2
    names = ARCHITECTURES[model_type]
    if not names.shared:
        stack = f"{whole.base_model_prefix}.{names.layers}."
        before, after = whole.state_dict(), smaller.state_dict()
        for name, weight in after.items():
            wanted = name.replace(f"{stack}1.", f"{stack}2.") if stack in name else name
            assert torch.equal(weight, before[wanted]), name
    smaller.save_pretrained(tmp_path / "smaller")
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "smaller")
    encoder = TextEncoder(tmp_path / "tokenizer.json", max_tokens=64)
    texts = tiny.texts()[::9]
    found = predict.logits(tmp_path / "smaller", texts, max_tokens=64)
    assert np.array_equal(
        found, predict.classify(smaller, examples(encoder, texts), rows=len(texts))
    )


@pytest.mark.parametrize(
    "settings",
    [{"layers": 1}, {"layers": [1], "match_states": 0.0}, {}, {"student": "static", "width": 32}],
    ids=["first", "numbered", "all", "static"],
)
def test_a_student_answers_as_its_teacher(job: Job, settings: dict[str, Any]) -> None:
    given = DistillSettings(**{**QUICK, "epochs": 8, "learning_rate": 3e-3, **settings})
    done = distill.run(given, job)
    wanted, found = logits(job.teacher, job), logits(job.out, job)
    alike = found.argmax(axis=1) == wanted.argmax(axis=1)
    assert alike.mean() > 0.9
    assert done["proof"]["agreement"] == pytest.approx(alike.mean(), abs=1e-6)
    spoken = np.array([row.language for row in job.dataset.validation])
    for language, part in done["proof"]["by_language"].items():
        assert part["agreement"] == pytest.approx(alike[spoken == language].mean(), abs=1e-6)
    assert sorted(done["proof"]["by_language"]) == ["ar", "en", "fr"]
    assert describe(job.out).labels == describe(job.teacher).labels
    assert (job.out / "LICENSE").is_file()


@pytest.mark.parametrize(
    "settings",
    [{"layers": 1}, {}, {"student": "static", "width": 16}, {"student": "other"}],
    ids=["layers", "all", "static", "other"],
)
def test_the_plan_knows_what_comes_out(job: Job, settings: dict[str, Any], project: Path) -> None:
    other_checkpoint(project / "other")
    given = DistillSettings(**{**QUICK, "epochs": 1, **settings})
    planned = planned_at(project, job.teacher)
    distill.check(given, planned)
    distill.run(given, dataclasses.replace(job, resolve=planned.resolve))
    after, found = distill.after(given, planned).description, describe(job.out)
    for name in ("model_type", "layers", "hidden", "heads", "ffn", "vocabulary", "labels"):
        assert getattr(after, name) == getattr(found, name), name
    assert after.parameters == pytest.approx(found.parameters, rel=0.05)
    assert after.embedding_parameters == pytest.approx(found.embedding_parameters, rel=0.1)
    cost = distill.cost(given, planned)
    assert cost.seconds > 0
    assert cost.peak_bytes > after.fp32_bytes
    assert bool(distill.files(given)) is (settings.get("student") == "other")


def planned_at(project: Path, checkpoint: Path) -> Any:
    """What the plan of a recipe tells its first step."""
    shutil.rmtree(project / "encoder")
    shutil.copytree(checkpoint, project / "encoder")
    bound = recipe.read(project / "recipe.yaml")
    made = plan.make(bound)
    return plan._planned(bound, made.description, made.dataset, max_tokens=64, device="cpu")


def other_checkpoint(
    folder: Path, *, labels: tuple[str, ...] | None = None, window: int = 64
) -> Path:
    """A DistilBERT with another width and a tokenizer of another kind."""
    folder.mkdir()
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        tiny.texts(),
        trainers.WordPieceTrainer(vocab_size=250, special_tokens=specials, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=window
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=32, n_layers=1, n_heads=2, hidden_dim=64,
        max_position_embeddings=window,
    )  # fmt: skip
    if labels is None:
        DistilBertModel(config).save_pretrained(folder)
        return folder
    config.num_labels, config.id2label = len(labels), dict(enumerate(labels))
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_another_checkpoint_learns_with_its_own_tokenizer(job: Job, tmp_path: Path) -> None:
    folder = other_checkpoint(tmp_path / "other")
    given = DistillSettings(
        student=str(folder), epochs=25, patience=25, batch_size=16, learning_rate=3e-3, augment=1
    )
    done = distill.run(given, job)
    assert (job.out / "tokenizer.json").read_text() == (folder / "tokenizer.json").read_text()
    assert describe(job.out).hidden == 32
    assert done["proof"]["agreement"] > 0.7
    assert done["notes"] == []


def test_states_are_matched_whatever_their_width() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(5, 8, generator=generator)
    turned = torch.linalg.qr(torch.randn(8, 8, generator=generator))[0]
    wider = torch.cat([states @ turned, torch.zeros(5, 4)], dim=-1)
    assert distilling._distance(states, states) == 0
    assert distilling._distance(states, states @ turned) > 0.1
    # The same similarities, though no number is the same.
    assert distilling._distance(states, wider) < 1e-6
    assert distilling._distance(states, wider.flip(0)) > 1e-2


def test_the_teacher_is_asked_once_and_kept_in_half_floats(job: Job) -> None:
    distill.run(DistillSettings(**QUICK, layers=1), job)
    distill.run(DistillSettings(**{**QUICK, "temperature": 4.0}, layers=[0]), changed(job))
    [folder] = stored(job, "teacher-logits")
    kept = np.load(folder / "logits.npy")
    assert kept.dtype == np.float16
    rows = len(job.dataset.validation)
    assert np.allclose(kept[-rows:], logits(job.teacher, job), atol=0.01)
    # Other texts are another question.
    distill.run(DistillSettings(**{**QUICK, "augment": 0}, layers=1), changed(job))
    assert len(stored(job, "teacher-logits")) == 2


def test_states_beyond_the_bound_are_left_out_and_that_is_said(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "MOST_STATE_BYTES", 1000)
    done = distill.run(DistillSettings(**QUICK, layers=1), job)
    assert done["notes"] == [
        "hidden states were not matched: the teacher's would take too much memory"
    ]
    [folder] = stored(job, "teacher-logits")
    assert not (folder / "states.npy").exists()


def test_a_count_that_keeps_every_layer_says_so(job: Job) -> None:
    done = distill.run(DistillSettings(**QUICK, layers=5), job)
    assert done["notes"] == ["all 2 layers stay: the checkpoint has no more"]


def test_unlabeled_texts_teach_too(job: Job) -> None:
    dataset = dataclasses.replace(job.dataset, unlabeled=("lamp here", "lamp here", "no lamp", "x"))
    given = DistillSettings(**{**QUICK, "augment": 0, "unlabeled": 2}, layers=1)
    done = distill.run(given, dataclasses.replace(job, dataset=dataset))
    assert done["after"]["texts"] == len(job.dataset.train) + 2


class PowerCut(Exception):
    pass


@pytest.mark.parametrize("settings", [{"layers": 1}, {"student": "static", "width": 16}])
def test_a_distillation_that_was_cut_ends_with_the_same_weights(
    job: Job, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)
    given = DistillSettings(**QUICK, **settings)
    distill.run(given, job)
    updates = 0

    def cut(fraction: float) -> None:
        nonlocal updates
        updates += 1
        if updates == 7:
            raise PowerCut

    again = changed(job, on_progress=cut)
    with pytest.raises(PowerCut):
        distill.run(given, again)
    begun = updates
    distill.run(given, again)
    assert updates > begun
    wanted, found = weights(job.out), weights(again.out)
    assert wanted.keys() == found.keys()
    for name, weight in wanted.items():
        assert torch.equal(weight, found[name]), name


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_time_limit_leaves_a_student(job: Job) -> None:
    done = distill.run(DistillSettings(**QUICK, layers=1, max_minutes=1e-6), job)
    assert done["training"]["stopped"].startswith("time limit")
    assert describe(job.out).layers == 1


def test_a_tie_goes_to_the_smaller_divergence_and_never_outweighs_a_row() -> None:
    wanted = np.array([[2.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    near, far = wanted + 0.1 * np.eye(3, 2), wanted * 9
    assert distilling.nearness(near, wanted) > distilling.nearness(far, wanted)
    flipped = wanted.copy()
    flipped[0] = [0.0, 1e-6]
    assert distilling.nearness(far, wanted) > distilling.nearness(flipped, wanted)


def test_a_teacher_worse_than_chance_is_refused_with_its_number(
    job: Job, teacher: Path, tmp_path: Path
) -> None:
    wrong = shutil.copytree(teacher, tmp_path / "wrong")
    path = wrong / "config.json"
    labels = ["music", "heat", "light"]
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "id2label": dict(enumerate(labels))}))
    dataset = dataclasses.replace(job.dataset, labels=tuple(labels))
    spoiled = dataclasses.replace(job, teacher=wrong, teacher_digest="wrong", dataset=dataset)
    with pytest.raises(StepError, match=r"answers \d+\.\d% of .* worse than chance \(\d+\.\d%\)"):
        distill.run(DistillSettings(**QUICK, layers=1), spoiled)


@pytest.mark.parametrize("answer", [0, 1, 2])
def test_a_teacher_that_always_says_the_same_is_no_worse_than_chance(answer: int) -> None:
    truth = np.arange(90) % 3
    teaching.check_better_than_chance(np.eye(3)[np.full(90, answer)], truth)


REFUSED: dict[str, tuple[dict[str, Any], Callable[[Path], object], str]] = {
    "order": (
        {"student": "other"},
        lambda folder: other_checkpoint(folder, labels=("light", "heat", "music")),
        "the teacher's labels in another order (number 0 is 'light' instead of 'heat')",
    ),
    "other labels": (
        {"student": "other"},
        lambda folder: other_checkpoint(folder, labels=("heat", "light", "song")),
        "other labels than the teacher (only one of them knows 'music')",
    ),
    "short window": (
        {"student": "other"},
        lambda folder: other_checkpoint(folder, window=32),
        "reads 32 tokens at once, and the recipe's window is 64; set max_tokens: 32",
    ),
    "no such layer": (
        {"layers": [0, 2]},
        lambda folder: None,
        "keeps layer 2, and the model has the layers 0 to 1",
    ),
}


@pytest.mark.parametrize(("settings", "prepare", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_taught_is_refused_before_a_weight_loads(
    settings: dict[str, Any],
    prepare: Callable[[Path], object],
    sentence: str,
    project: Path,
    teacher: Path,
) -> None:
    prepare(project / "other")
    planned = planned_at(project, teacher)
    with pytest.raises(RecipeError) as caught:
        distill.check(DistillSettings(**settings), planned)
    assert sentence in str(caught.value)


def test_a_model_without_a_head_cannot_teach(project: Path) -> None:
    planned = planned_at(project, tiny.make_encoder(project / "bare"))
    with pytest.raises(RecipeError, match="put the step finetune before distill"):
        distill.check(DistillSettings(layers=1), planned)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"layers": 2, "student": "static"}, "layers"),
        ({"layers": 0}, "layers"),
        ({"layers": [2, 1]}, "layers"),
        ({"layers": []}, "layers"),
        ({"width": 64}, "width"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=rf"{key}\|"):
        DistillSettings(**settings)


def test_pieces_that_no_text_holds_keep_their_first_meaning(job: Job) -> None:
    given = DistillSettings(student="static", width=16, epochs=2, augment=0, learning_rate=1e-2)
    torch.manual_seed(job.recipe.seed)
    texts = [row.text for row in job.dataset.train]
    before = distilling.static_start.make(job, texts, width=16).get_input_embeddings().weight
    distill.run(given, job)
    after = weights(job.out)[TABLE]
    encoder = TextEncoder(job.checkpoint / "tokenizer.json", max_tokens=64)
    seen = {piece for text in texts for ids in encoder.windows(text) for piece in ids}
    unseen = sorted(set(range(len(after))) - seen)
    assert unseen
    assert torch.equal(after[unseen], before[unseen])
    assert not torch.equal(after[sorted(seen)], before[sorted(seen)])
    assert after[unseen].std() > 0.1


def test_a_static_student_is_exported_exactly_and_small(job: Job, tmp_path: Path) -> None:
    distill.run(DistillSettings(**QUICK, student="static", width=64), job)
    model = load_classifier(job.out)
    assert type(model).__name__ == "StaticForSequenceClassification"
    texts = [*tiny.texts()[::20], "a", " ".join(tiny.texts()[:12])]
    wanted = predict.logits(job.out, texts, max_tokens=64)
    (tmp_path / "onnx").mkdir()
    fp32 = export(job.out, tmp_path / "onnx")
    encoder = TextEncoder(job.out / "tokenizer.json", max_tokens=64)
    with OnnxClassifier(fp32.read_bytes, encoder) as runtime:
        found = np.stack([one for one, _ in runtime.map(texts)])
    assert np.abs(found - wanted).max() < 1e-4
    done = quantize(fp32, tmp_path / "s8.onnx", scheme="s8")
    assert (done.tables, done.matrices) == (1, 2)
    small = onnx.load(tmp_path / "s8.onnx")
    assert [entry.name for entry in small.graph.input] == ["input_ids"]
    assert {entry.key: entry.value for entry in small.metadata_props} == {MOST_THREADS: "1"}
    assert done.size_bytes < 1.3 * describe(job.out).parameters + 20_000


def test_a_static_students_answer_does_not_depend_on_its_neighbours(job: Job) -> None:
    distill.run(DistillSettings(**QUICK, student="static", width=16), job)
    model = load_classifier(job.out)
    encoder = TextEncoder(job.out / "tokenizer.json", max_tokens=64)
    texts = ["lamp on", " ".join(["allume la lampe"] * 4)]
    together = predict.classify(model, examples(encoder, texts), rows=2)
    alone = [predict.classify(model, examples(encoder, [text]), rows=1)[0] for text in texts]
    assert np.allclose(together, np.stack(alone), atol=1e-6)


def test_the_order_of_words_counts_for_a_static_student(job: Job) -> None:
    distill.run(DistillSettings(**QUICK, student="static", width=16), job)
    found = predict.logits(job.out, ["lamp in the hall on", "on in the hall lamp"], max_tokens=64)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_a_static_student_can_be_taught_further(job: Job, project: Path) -> None:
    distill.run(DistillSettings(**QUICK, student="static", width=16), job)
    given = DistillSettings(**QUICK)
    planned = planned_at(project, job.out)
    distill.check(given, planned)
    again = changed(job, checkpoint=job.out, description=describe(job.out))
    done = distill.run(given, again)
    assert distill.after(given, planned).description.parameters == describe(again.out).parameters
    assert not torch.equal(weights(again.out)[TABLE], weights(job.out)[TABLE])
    assert done["notes"] == []
    for settings, sentence in (({"student": "static"}, "already"), ({"layers": 1}, "no layers")):
        with pytest.raises(RecipeError, match=sentence):
            distill.check(DistillSettings(**settings), planned)


def test_layers_of_uneven_width_cannot_be_chosen_from(job: Job) -> None:
    model = load_classifier(job.checkpoint)
    units.keep_neurons(units.layers(model)[1], range(64))
    narrow = job.out.parent / "narrow"
    narrow.mkdir()
    save(model, narrow, source=job.checkpoint)
    pruned = changed(job, checkpoint=narrow, description=describe(narrow))
    with pytest.raises(StepError, match="put distill before prune"):
        distill.run(DistillSettings(**QUICK, layers=[1]), pruned)
    healed = changed(pruned)
    distill.run(DistillSettings(**QUICK), healed)
    assert describe(healed.out).parameters == describe(narrow).parameters
    assert np.isfinite(logits(healed.out, job)).all()
