"""Students without layers: a table of vectors, what it learns and how it is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.models import load_classifier
from edgekit.errors import RecipeError
from edgekit.export.onnx.classifier import export
from edgekit.export.onnx.quantize import quantize
from edgekit.job.job import Job
from edgekit.runtime.onnx import MOST_THREADS, OnnxClassifier
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.distill.encoder import plan as distill
from edgekit.steps.distill.encoder import run as distilling
from edgekit.steps.distill.encoder.run import run as run_distill
from edgekit.steps.distill.settings import DistillSettings
from edgekit.training import predict
from edgekit.training.batches import examples
from tests.steps.distill.students import QUICK, TABLE, changed, planned_at, weights
from tests.tiny import encoder as tiny


def test_pieces_that_no_text_holds_keep_their_first_meaning(job: Job) -> None:
    given = DistillSettings(student="static", width=16, epochs=2, augment=0, learning_rate=1e-2)
    torch.manual_seed(job.recipe.seed)
    texts = [row.text for row in job.dataset.train]
    begun = distilling.static_start.make(job, texts, width=16)
    before = begun.get_input_embeddings().weight
    run_distill(given, job)
    after = weights(job.out)[TABLE]
    encoder = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=64)
    seen = {piece for text in texts for ids in encoder.windows(text) for piece in ids}
    unseen = sorted(set(range(len(after))) - seen)
    assert unseen
    assert torch.equal(after[unseen], before[unseen])
    assert not torch.equal(after[sorted(seen)], before[sorted(seen)])
    assert after[unseen].std() > 0.1


def test_a_static_student_is_exported_exactly_and_small(job: Job, tmp_path: Path) -> None:
    run_distill(DistillSettings(**QUICK, student="static", width=64), job)
    model = load_classifier(job.out)
    assert type(model).__name__ == "StaticForSequenceClassification"
    texts = [*tiny.texts()[::20], "a", " ".join(tiny.texts()[:12])]
    wanted = predict.logits(job.out, texts, max_tokens=64)
    (tmp_path / "onnx").mkdir()
    fp32 = export(job.out, tmp_path / "onnx")
    encoder = TextTokenizer(job.out / "tokenizer.json", max_tokens=64)
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
    run_distill(DistillSettings(**QUICK, student="static", width=16), job)
    model = load_classifier(job.out)
    encoder = TextTokenizer(job.out / "tokenizer.json", max_tokens=64)
    texts = ["lamp on", " ".join(["allume la lampe"] * 4)]
    together = predict.answers(model, examples(encoder, texts), rows=2).logits
    alone = [predict.answers(model, examples(encoder, [text]), rows=1).logits[0] for text in texts]
    assert np.allclose(together, np.stack(alone), atol=1e-6)


def test_the_order_of_words_counts_for_a_static_student(job: Job) -> None:
    run_distill(DistillSettings(**QUICK, student="static", width=16), job)
    found = predict.logits(job.out, ["lamp in the hall on", "on in the hall lamp"], max_tokens=64)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_a_static_student_can_be_taught_further(job: Job, project: Path) -> None:
    run_distill(DistillSettings(**QUICK, student="static", width=16), job)
    given = DistillSettings(**QUICK)
    planned = planned_at(project, job.out)
    distill.check(given, planned)
    again = changed(job, checkpoint=job.out, description=describe(job.out))
    done = run_distill(given, again)
    assert distill.after(given, planned).description.parameters == describe(again.out).parameters
    assert not torch.equal(weights(again.out)[TABLE], weights(job.out)[TABLE])
    assert done["notes"] == []
    for settings, sentence in (({"student": "static"}, "already"), ({"layers": 1}, "no layers")):
        with pytest.raises(RecipeError, match=sentence):
            distill.check(DistillSettings(**settings), planned)
