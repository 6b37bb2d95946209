"""What a program sees: answers, streams, errors with remedies, and a close that is safe."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.errors import (
    ArtifactError,
    DataError,
    EdgekitError,
    IntegrityError,
    OutOfMemoryBudget,
    UnsupportedTask,
    WorkerError,
)
from edgekit.runtime import golden, opening
from edgekit.system import machine
from edgekit.tasks.classification.golden import GoldenScores
from tests.tiny.artifact import LABELS, TEXTS, make_artifact

isolation = pytest.mark.parametrize("isolate", [False, True], ids=["here", "isolated"])


def rewrite(folder: Path, **changes: object) -> Path:
    """Another manifest for the files of a folder, with digests that are right."""
    manifest = artifact.read(folder).manifest.as_json()
    (folder / "manifest.json").unlink()
    for key in ("digest", "files", "format_version"):
        del manifest[key]
    artifact.write(folder, {**manifest, **changes})
    return folder


@isolation
def test_a_text_gives_an_answer_and_texts_give_answers_in_order(
    tiny_artifact: Path, isolate: bool
) -> None:
    with edgekit.load(tiny_artifact, isolate=isolate) as model:
        answer = model.classify("turn up the heating")
        assert answer.label in LABELS
        assert answer.score == max(answer.scores.values())
        assert sum(answer.scores.values()) == pytest.approx(1)
        assert (answer.abstained, answer.parts) == (False, 1)
        texts = random.Random(1).choices(TEXTS, k=50)
        assert list(model.classify(texts)) == [model.classify(text) for text in texts]


def test_isolated_answers_are_the_same_to_the_bit(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact) as here, edgekit.load(tiny_artifact, isolate=True) as there:
        for text in (*TEXTS, "lamp \ud800 lamp", "\ud83d\udca1", "a\0b", "song " * 200):
            assert here.logits(text).tobytes() == there.logits(text).tobytes()
            assert here.classify(text) == there.classify(text)


def test_long_texts_count_their_parts(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact) as model:
        assert model.classify("turn up the heating. " * 40).parts > 3


def test_logits_are_what_scores_are_made_of(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact) as model:
        logits = model.logits("lamp")
        assert (logits.shape, logits.dtype) == ((3,), np.float32)
        powers = np.exp(logits.astype(np.float64) / 1.5)
        assert list(model.classify("lamp").scores.values()) == pytest.approx(powers / powers.sum())
        streamed = list(model.logits(["lamp", "lamp"]))
        assert [found.tobytes() for found in streamed] == [logits.tobytes()] * 2


def test_abstaining_is_marked_and_the_call_stands_before_the_artifact(tmp_path: Path) -> None:
    with edgekit.load(make_artifact(tmp_path / "shy", abstain_below=0.99)) as model:
        assert model.classify("lamp").abstained
        assert not model.classify("lamp", abstain_below=0).abstained
        assert [answer.abstained for answer in model.classify(["lamp"], abstain_below=1)] == [True]
        with pytest.raises(EdgekitError, match="from 0 to 1"):
            model.classify("lamp", abstain_below=95)


def test_a_prefix_is_put_before_every_text(tiny_artifact: Path, tmp_path: Path) -> None:
    with (
        edgekit.load(tiny_artifact) as plain,
        edgekit.load(make_artifact(tmp_path / "prefixed", prefix="song ")) as prefixed,
    ):
        assert prefixed.logits("lamp").tobytes() == plain.logits("song lamp").tobytes()


@isolation
def test_streams_may_be_endless_and_are_over_when_closed(
    tiny_artifact: Path, isolate: bool
) -> None:
    def endless() -> Iterator[str]:
        for number in count():
            yield f"play song {number}"

    with edgekit.load(tiny_artifact, isolate=isolate) as model:
        answers = model.classify(endless())
        assert len(list(islice(answers, 30))) == 30
        answers.close()
        assert model.classify("lamp").parts == 1


def test_a_broken_stream_breaks_where_it_broke(tiny_artifact: Path) -> None:
    def broken() -> Iterator[str]:
        yield from TEXTS
        raise OSError("the disk was pulled out")

    with edgekit.load(tiny_artifact) as model:
        answers = model.classify(broken())
        assert len(list(islice(answers, len(TEXTS)))) == len(TEXTS)
        with pytest.raises(OSError, match="pulled out"):
            next(answers)


@pytest.mark.parametrize("text", ["", "  \n", None, 5, b"lamp"])
def test_what_is_no_text_is_refused_alone_and_in_a_stream(tiny_artifact: Path, text: str) -> None:
    with edgekit.load(tiny_artifact) as model:
        with pytest.raises(DataError):
            model.classify(text)
        answers = model.classify(["lamp", text, "lamp"])
        assert next(answers).parts == 1
        with pytest.raises(DataError):
            next(answers)


@isolation
def test_several_threads_may_use_one_model(tiny_artifact: Path, isolate: bool) -> None:
    with edgekit.load(tiny_artifact, isolate=isolate) as model:
        wanted = {text: model.classify(text) for text in TEXTS}
        wrong: list[str] = []

        def ask(seed: int) -> None:
            texts = random.Random(seed).choices(TEXTS, k=40)
            found = list(model.classify(texts)) if seed % 2 else [model.classify(t) for t in texts]
            wrong.extend(t for t, answer in zip(texts, found, strict=True) if answer != wanted[t])

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@isolation
def test_close_waits_for_calls_and_refuses_later_ones(tiny_artifact: Path, isolate: bool) -> None:
    model = edgekit.load(tiny_artifact, isolate=isolate)
    errors: list[BaseException] = []
    begun = threading.Barrier(5, timeout=30)

    def ask() -> None:
        begun.wait()
        try:
            while True:
                model.classify("turn up the heating " * 20)
        except BaseException as error:  # whatever it is, the test must see it
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    streamed = model.classify(TEXTS * 1000)
    next(streamed)
    model.close()
    for thread in threads:
        thread.join(30)
    assert [type(error) for error in errors] == [WorkerError] * 4
    assert all("was closed" in str(error) for error in errors)
    with pytest.raises(WorkerError, match="was closed"):
        list(streamed)
    model.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_copy_is_an_error_not_a_hang(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact) as model:
        child = os.fork()
        if child == 0:
            try:
                model.classify("lamp")
            except WorkerError:
                os._exit(7)
            os._exit(8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


class TestMemory:
    @isolation
    def test_a_budget_is_held_before_anything_loads(
        self, tiny_artifact: Path, isolate: bool
    ) -> None:
        (tiny_artifact / "model.onnx").write_bytes(b"never looked at")
        with pytest.raises(OutOfMemoryBudget, match=r"needs 120 MB .* allows 100 MB"):
            edgekit.load(tiny_artifact, max_ram="100MB", isolate=isolate)

    def test_what_is_free_is_held(
        self, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine, "available_memory_bytes", lambda: 119_000_000)
        with pytest.raises(OutOfMemoryBudget, match=r"needs 120 MB .* 119 MB are free"):
            edgekit.load(tiny_artifact)
        assert not edgekit.inspect(tiny_artifact).fits

    def test_enough_is_enough(self, tiny_artifact: Path) -> None:
        edgekit.load(tiny_artifact, max_ram="0.12GB").close()
        assert edgekit.inspect(tiny_artifact).fits

    def test_a_size_that_is_none_is_refused(self, tiny_artifact: Path) -> None:
        with pytest.raises(EdgekitError, match="max_ram: 'lots' is not a size"):
            edgekit.load(tiny_artifact, max_ram="lots")


class TestGoldenAnswers:
    def changed(self, folder: Path, tmp_path: Path, *, by: float) -> Path:
        """The same artifact with other golden scores, and digests that are right."""
        value = json.loads((folder / "golden.json").read_bytes())
        value["answers"][3]["scores"]["heat"] += by
        other = shutil.copytree(folder, tmp_path / f"other{by}")
        (other / "golden.json").write_text(json.dumps(value))
        return rewrite(Path(other))

    @isolation
    def test_another_answer_is_refused(
        self, tiny_artifact: Path, tmp_path: Path, isolate: bool
    ) -> None:
        edgekit.load(self.changed(tiny_artifact, tmp_path, by=0.019), isolate=isolate).close()
        wrong = self.changed(tiny_artifact, tmp_path, by=0.021)
        with pytest.raises(
            ArtifactError, match=r"golden input 4: 'heat' has ([\d.]+) instead of (?!\1)"
        ):
            edgekit.load(wrong, isolate=isolate)
        with pytest.raises(ArtifactError, match="golden input 4"):
            opening.self_test(artifact.read(wrong))

    def test_a_token_beyond_the_table_is_found_though_no_golden_answer_has_it(
        self, tiny_artifact: Path, tmp_path: Path
    ) -> None:
        wrong = Path(shutil.copytree(tiny_artifact, tmp_path / "beyond"))
        tokenizer = Tokenizer.from_file(str(wrong / "tokenizer.json"))
        tokenizer.add_tokens(["[ORDER]"])
        tokenizer.save(str(wrong / "tokenizer.json"))
        rewrite(wrong)
        edgekit.load(wrong).close()
        with pytest.raises(ArtifactError, match=r"added tokens.*resize the embeddings"):
            opening.self_test(artifact.read(wrong))
        assert opening.self_test(artifact.read(tiny_artifact)) > 0

    def test_they_run_once_a_machine_and_version(
        self, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs = []
        monkeypatch.setattr(GoldenScores, "check", lambda *_: runs.append(1))
        edgekit.load(tiny_artifact).close()
        edgekit.load(tiny_artifact).close()
        assert len(runs) == 1
        monkeypatch.setattr(machine, "cpu_name", lambda: "another")
        edgekit.load(tiny_artifact).close()
        assert len(runs) == 2

    @pytest.mark.parametrize("data", [b"", b"[]", b'{"inputs": [], "answers": [], "tolerance": 1}'])
    def test_a_list_of_another_form_is_refused(self, data: bytes) -> None:
        with pytest.raises(ArtifactError, match=r"golden\.json"):
            golden.parse(data, GoldenScores.read)


@pytest.mark.parametrize("change", [{"task": "transcription"}, {"format": "gguf"}])
def test_what_this_version_cannot_run_is_said(tmp_path: Path, change: dict[str, str]) -> None:
    folder = make_artifact(tmp_path / "other", **change)
    with pytest.raises(UnsupportedTask, match="upgrade edgekit"):
        edgekit.load(folder)


def test_a_model_with_other_labels_is_refused(tiny_artifact: Path) -> None:
    rewrite(tiny_artifact, labels=["heat", "light"])
    with pytest.raises(ArtifactError, match="3 scores for 2 labels"):
        edgekit.load(tiny_artifact)
    rewrite(tiny_artifact, labels=["heat"])
    with pytest.raises(ArtifactError, match="two labels or more"):
        edgekit.load(tiny_artifact)


def test_a_thousand_flips_are_refused_before_anything_parses_them(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any bit of any file; whatever would parse bytes natively is not reached once."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("a parser was given bytes, and nobody checked them")

    monkeypatch.setattr(onnxruntime, "InferenceSession", reached)
    monkeypatch.setattr("edgekit.runtime.tokens.Tokenizer", reached)
    monkeypatch.setattr(golden, "parse", reached)
    with pytest.raises(AssertionError, match="a parser was given bytes"):
        edgekit.load(tiny_artifact)
    files = {path: path.read_bytes() for path in sorted(tiny_artifact.iterdir())}
    generator = random.Random(11)
    # Every file gets its share, then any byte of the whole.
    paths = [path for path in files for _ in range(50)]
    sizes = [len(data) for data in files.values()]
    paths += generator.choices(list(files), sizes, k=1000 - len(paths))
    for path in paths:
        data = bytearray(files[path])
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match=path.name):
            edgekit.load(tiny_artifact)
        path.write_bytes(files[path])


def test_the_bytes_that_are_parsed_are_those_that_were_checked(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes after the check does not get in, at once or with the second session."""
    real = opening.verify_for_load

    def then_damage(*arguments: object, **settings: object) -> dict[str, bytes]:
        kept = real(*arguments, **settings)  # type: ignore[arg-type]
        for name in ("model.onnx", "tokenizer.json", "golden.json"):
            (tiny_artifact / name).write_bytes(b"\0" * (tiny_artifact / name).stat().st_size)
        return kept

    with edgekit.load(tiny_artifact) as model:
        wanted = model.classify("lamp")
    monkeypatch.setattr(opening, "verify_for_load", then_damage)
    with edgekit.load(tiny_artifact) as model:
        assert model.classify("lamp") == wanted
        with pytest.raises(IntegrityError, match=r"model\.onnx"):
            list(model.classify(["lamp"]))


def test_nothing_is_printed(tiny_artifact: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with edgekit.load(tiny_artifact) as model:
        model.classify("lamp")
    with edgekit.load(tiny_artifact, isolate=True) as model:
        model.classify("lamp")
    assert capfd.readouterr() == ("", "")
