"""The `onnx` output on a tiny classifier: what is recorded, what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx as onnx_format
import pytest

from edgekit.data.rows import Row
from edgekit.errors import ExportError, RecipeError
from edgekit.export.onnx import candidates, classifier
from edgekit.export.onnx import output as onnx
from edgekit.export.onnx.output import OnnxSettings
from edgekit.job.job import Make, OutputJob
from edgekit.recipe import recipe
from edgekit.store.store import Finished, Store
from tests.tiny import encoder as tiny

ROWS = tuple(Row(text, "light", "en") for text in tiny.texts()[::9])


@pytest.fixture
def job(tmp_path: Path) -> Iterator[OutputJob]:
    (tmp_path / "checkpoint").mkdir()
    checkpoint = tiny.make_encoder(tmp_path / "checkpoint", labels=tiny.LABELS)
    with Store(tmp_path / "store") as store:

        def run(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
            return store.run(name, inputs, lambda out: make(out, lambda fraction: None))

        yield OutputJob(
            checkpoint=checkpoint,
            checkpoint_digest="0" * 64,
            rows=ROWS,
            rows_digest="1" * 64,
            prefix="",
            max_tokens=64,
            packages={},
            head="logits",
            run=run,
        )


def test_embeddings_in_4_bits_are_smaller_and_recorded(job: OutputJob) -> None:
    eight = onnx.run(OnnxSettings(quantize="int8"), job)
    four = onnx.run(OnnxSettings(quantize="int8", embeddings="int4"), job)
    assert (eight.record["embeddings"], four.record["embeddings"]) == ("int8", "int4")
    assert four.model.stat().st_size < eight.model.stat().st_size
    assert [one["scheme"] for one in four.record["tried"]] == ["s8", "s8-smooth", "u8-smooth"]
    assert all(
        one["flips"] <= 0.2 * four.record["rows"] and one["kl"] < 0.1
        for one in four.record["tried"]
    )
    assert four.record["parity"]["rows"] == 8
    operators = {node.op_type for node in onnx_format.load(four.model).graph.node}
    assert "GatherBlockQuantized" in operators


def test_a_large_checkpoint_is_exported_in_a_process_of_its_own(
    job: OutputJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it took is the step's peak, which an export in this process has no number of."""
    monkeypatch.setattr(classifier, "APART_FROM_BYTES", 0)
    monkeypatch.setattr(classifier, "export", None)
    found: list[Finished] = []

    def run(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        found.append(job.run(name, inputs, make))
        return found[-1]

    exported = onnx.run(OnnxSettings(quantize="none"), replace(job, run=run))
    assert exported.model.is_file()
    assert found[0].record["peak_bytes"] > 100_000_000
    assert set(exported.record) == {"parity"}


def test_an_export_that_answers_otherwise_is_refused(
    job: OutputJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "MOST_LOGIT_ERROR", -1.0)
    with pytest.raises(ExportError, match="the export's logits differ"):
        onnx.run(OnnxSettings(quantize="none"), job)


def test_embeddings_of_a_model_that_is_not_quantized_are_refused(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("{quantize: int8}", "{quantize: none, embeddings: int4}"))
    with pytest.raises(RecipeError, match=r"recipe\.yaml:\d+: 'embeddings' says how to quantize"):
        recipe.read(path)


def test_the_slower_scheme_is_taken_only_where_it_is_nearer_than_by_chance() -> None:
    def chosen(s8: tuple[int, float], u8: tuple[int, float]) -> str:
        names = ("s8", s8), ("u8", u8)
        tried = [{"scheme": name, "flips": flips, "kl": kl} for name, (flips, kl) in names]
        return str(candidates.fastest_near(tried)["scheme"])

    assert chosen((6, 0.0064), (7, 0.0051)) == "s8"
    assert chosen((9, 0.0020), (5, 0.0019)) == "s8"  # four of fourteen is chance
    assert chosen((60, 0.0020), (20, 0.0019)) == "u8"
    assert chosen((6, 0.0200), (6, 0.0019)) == "u8"
    assert chosen((49, 0.0085), (36, 0.0068)) == "u8"  # of 993: fidelity before speed
    # Each is better in one way: divergence decides.
    assert chosen((60, 0.0010), (20, 0.0050)) == "s8"
    # Both are so near that speed decides, but not against answers.
    assert chosen((4, 0.0007), (3, 0.0003)) == "s8"
    assert chosen((40, 0.0007), (3, 0.0003)) == "u8"
