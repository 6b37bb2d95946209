"""The steps on models that write summaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from edgekit.checkpoint import layers, models
from edgekit.checkpoint.describe import describe
from edgekit.data.rows import Row
from edgekit.job.job import Job, Make
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.steps.distill.seq2seq import run as distilling_writer
from edgekit.steps.distill.seq2seq.run import run as run_distill
from edgekit.steps.distill.settings import DistillSettings
from edgekit.steps.finetune.seq2seq.run import run as run_finetune
from edgekit.steps.finetune.settings import FinetuneSettings
from edgekit.steps.trim_vocab.run import run as run_trim_vocab
from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings
from edgekit.store.store import Finished
from edgekit.training import loop as training
from edgekit.training import seq2seq as writing
from tests.tiny import seq2seq as tiny_seq2seq
from tests.tiny.job import make_job
from tests.tiny.training import PowerCut


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    checkpoint = tiny_seq2seq.make_model(folder / "t5", trained=False)
    return tiny_seq2seq.make_project(folder / "project", checkpoint).parent


@pytest.fixture
def job(made: Path, tmp_path: Path) -> Job:
    """A project whose T5 knows nothing yet."""
    return make_job(made, made / "model", tmp_path)


SETTINGS = FinetuneSettings(epochs=2, learning_rate=5e-3, batch_size=16, label_smoothing=0.05)


def likelihood(job: Job, folder: Path) -> float:
    rows = writing.given(job, job.dataset.validation).examples
    return writing.likelihood(models.load_seq2seq(folder), rows)


def test_finetune_learns_to_write_and_says_how_well(job: Job) -> None:
    before = likelihood(job, job.checkpoint)
    done = run_finetune(SETTINGS, job)
    after = likelihood(job, job.out)
    assert after > 1.5 * before
    assert done["after"]["validation_likelihood"] == pytest.approx(after, abs=1e-4)
    assert describe(job.out) == describe(job.checkpoint)
    assert (job.out / "generation_config.json").is_file()
    assert (job.out / "LICENSE").is_file()


def test_finetune_goes_on_to_the_same_weights(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    run_finetune(SETTINGS, replace(job, out=whole))
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", 0.0)

    def cut(fraction: float) -> None:
        if fraction > 0.6:
            raise PowerCut

    with pytest.raises(PowerCut):
        run_finetune(SETTINGS, replace(job, on_progress=cut))
    run_finetune(SETTINGS, job)
    found, wanted = (load_file(f / "model.safetensors") for f in (job.out, whole))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_text_beyond_the_window_is_cut_and_counted(job: Job) -> None:
    rows = writing.lesson(job, [Row("lamp"), Row("lamp on " * 60)], ["lamp", "lamp"])
    assert rows.cut == 1
    assert "1 of 2 texts" in rows.note()[0]
    assert max(len(one.ids) for one in rows.examples) <= 64


def test_the_loss_does_not_hang_on_how_a_batch_is_cut(job: Job) -> None:
    rows = writing.given(job, job.dataset.train[:6])
    model = models.load_seq2seq(job.checkpoint)
    loss = writing._loss(rows.examples, 0.1)
    parts = [rows.examples, rows.examples[:2], rows.examples[2:]]
    found = [loss(model, writing.collate(part, pad=1, device="cpu"), part).item() for part in parts]
    assert found[0] == pytest.approx((2 * found[1] + 4 * found[2]) / 6, rel=1e-4)


@pytest.mark.parametrize("family", ["t5", "mt5", "bart"])
def test_a_trimmed_model_writes_what_it_wrote(
    family: str,
    made: Path,
    tiny_writers: tiny_seq2seq.Writers,
    tmp_path: Path,
) -> None:
    """Of tables, head and bias the same rows are left, and every number in the configs moves."""
    if family == "mt5":
        checkpoint = tiny_seq2seq.make_model(tmp_path / "mt5", family="mt5", trained=False)
    else:
        checkpoint = tiny_writers[family]
    out = tmp_path / "out"
    out.mkdir()
    job = make_job(made, checkpoint, out)
    job = replace(job, recipe=job.recipe.model_copy(update={"languages": ("en",)}))
    english = tuple(row for row in job.dataset.train if row.language == "en")
    job = replace(job, dataset=replace(job.dataset, train=english))
    done = run_trim_vocab(TrimVocabSettings(most_tokens_rise=9.0, most_unknown_rise=0.9), job)
    assert done["after"]["pieces_removed"] > 20
    old, new = (models.load_seq2seq(folder) for folder in (checkpoint, out))
    assert new.get_input_embeddings().num_embeddings == describe(out).vocabulary
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (checkpoint, out))
    compared = 0
    for pair in tiny_seq2seq.pairs(30, seed=41):
        if pair.language != "en" or before.tokenize(pair.text) != after.tokenize(pair.text):
            continue
        wrote = [
            tokenizer.decode(
                model.generate(
                    torch.tensor([tokenizer(pair.text)["input_ids"]]), num_beams=1, max_length=20
                )[0],
                skip_special_tokens=True,
            )
            for model, tokenizer in ((old, before), (new, after))
        ]
        # One of chance, or a slip, writes pieces of other languages, which are gone.
        if family != "mt5" and wrote[0].isascii():
            assert wrote[0] == wrote[1]
            compared += 1
    assert compared > 2 or family == "mt5"


def test_the_teacher_writes_no_summary_twice(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut while it writes, it goes on behind what was kept."""
    monkeypatch.setattr(distilling_writer, "SAVE_EVERY", 4)
    asked: list[str] = []
    beginning = Seq2SeqWriter.beginning

    def listening(self: Seq2SeqWriter, text: str) -> str:
        asked.append(text)
        return beginning(self, text)

    monkeypatch.setattr(Seq2SeqWriter, "beginning", listening)
    rows = job.dataset.train[:12]

    def cut(fraction: float) -> None:
        if fraction > 0.7:
            raise PowerCut

    out = tmp_path / "summaries"
    out.mkdir()
    with pytest.raises(PowerCut):
        distilling_writer._write(job, rows, out, cut)
    asked.clear()
    distilling_writer._write(job, rows, out, lambda fraction: None)
    assert asked == [row.text for row in rows[8:]]
    written = (out / distilling_writer.SUMMARIES).read_bytes()
    whole = tmp_path / "whole"
    whole.mkdir()
    distilling_writer._write(job, rows, whole, lambda fraction: None)
    assert written == (whole / distilling_writer.SUMMARIES).read_bytes()


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_student_with_fewer_layers_learns_what_the_teacher_writes(
    family: str, made: Path, tiny_writers: tiny_seq2seq.Writers, tmp_path: Path
) -> None:
    checkpoint, out = tiny_writers[family], tmp_path / "out"
    out.mkdir()
    stored: list[str] = []

    def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        folder = tmp_path / name
        folder.mkdir()
        stored.append(name)
        record = make(folder, lambda fraction: None)
        return Finished(name, name, folder, False, record, {}, 0.0, 0)

    job = make_job(made, checkpoint, out, run_stored=run_stored)
    done = run_distill(DistillSettings(decoder_layers=1, epochs=2, learning_rate=3e-3), job)
    assert stored == ["pseudo-summaries"]
    assert describe(out).decoder_layers == 1
    assert describe(out).layers == describe(checkpoint).layers
    assert done["after"]["texts"] == len(job.dataset.train)
    untaught = tmp_path / "untaught"
    kept = layers.keep_seq2seq_layers(checkpoint, encoder=[0, 1], decoder=[0])
    models.save(kept, untaught, source=checkpoint)
    assert likelihood(job, out) > likelihood(job, untaught)
