"""Summaries by a text's own sentences, as a program asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.data import words
from edgekit.data.sentences import flat
from edgekit.errors import ArtifactError, DataError, EdgekitError, UnsupportedTask
from edgekit.runtime import onnx
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization import choosing
from edgekit.tasks.summarization.extractive import PART_SENTENCES, Extractive
from edgekit.tasks.summarization.summary import Told
from tests.tiny.summarizer import make_summarizer

SENTENCES = [f"The room number {n} is warm and the lamp of hall {n} is on." for n in range(200)]
TEXT = " ".join(SENTENCES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_summarizer(tmp_path_factory.mktemp("made") / "tiny-summaries-onnx")


@pytest.fixture
def model(folder: Path) -> edgekit.Model:
    with edgekit.load(folder) as loaded:
        yield loaded


def test_a_summary_is_made_of_the_texts_sentences_in_their_order(model: edgekit.Model) -> None:
    found = model.summarize(TEXT, words=50)
    starts = [sentence.start for sentence in found.sentences]
    assert starts == sorted(starts)
    assert all(TEXT[one.start :].startswith(one.text) for one in found.sentences)
    assert found.text == " ".join(one.text for one in found.sentences)
    assert 30 <= words.count(found.text) <= 55
    assert (found.parts_read, found.parts) == (-(-200 // PART_SENTENCES), -(-200 // PART_SENTENCES))
    assert (found.engine, found.language, found.flagged, found.cancelled) == (
        "extractive",
        "en",
        (),
        False,
    )


def test_the_artifact_says_how_long_a_summary_is(model: edgekit.Model) -> None:
    assert words.count(model.summarize(TEXT).text) <= 33


def test_a_text_shorter_than_the_summary_is_its_own(model: edgekit.Model) -> None:
    assert model.summarize("One lamp. Two lamps.", words=50).text == "One lamp. Two lamps."
    assert model.summarize("lamp", words=50).text == "lamp"


def test_one_word_asked_still_gives_a_sentence(model: edgekit.Model) -> None:
    assert len(model.summarize(TEXT, words=1).sentences) == 1


@pytest.mark.parametrize("text", ["", " \n", "… — !", "\u200b"])
def test_a_text_without_words_is_refused(model: edgekit.Model, text: str) -> None:
    with pytest.raises(DataError, match="no words"):
        model.summarize(text)


@pytest.mark.parametrize("asked", [0, -3, 100_000])
def test_a_length_that_no_summary_has_is_refused(model: edgekit.Model, asked: int) -> None:
    with pytest.raises(EdgekitError, match="words"):
        model.summarize(TEXT, words=asked)


def test_the_model_is_in_memory_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its golden answers are checked for the first time."""
    opened: list[int] = []
    open_session = onnx.open_session

    def listening(read_model: Callable[[], bytes], threads: int, *, shared: Path | None) -> object:
        opened.append(threads)
        return open_session(read_model, threads, shared=shared)

    monkeypatch.setattr(onnx, "open_session", listening)
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    with edgekit.load(folder, threads=2) as model:
        model.summarize(TEXT, words=20)
    assert opened == [1]


def test_repeated_sentences_are_said_once(model: edgekit.Model) -> None:
    found = model.summarize("The lamp in the hall is on. " * 50, words=40)
    assert found.text == "The lamp in the hall is on."


def test_a_line_without_sentence_ends_and_of_ten_megabytes(model: edgekit.Model) -> None:
    found = model.summarize("heat " * 2_000_000, words=100)
    assert found.parts_read == found.parts > 100
    assert words.count(found.text) <= 110


def test_a_text_in_several_languages(model: edgekit.Model) -> None:
    """Its sentences stay what they are; the language is that of the most of it, or untold."""
    several = [
        "The lamp in the hall is on, and the room is warm enough for all of us.",
        "Das Zimmer ist warm, und die Lampe im Flur ist noch immer an.",
        "病人发烧了，需要在家里好好休息几天。",
        "المريض يعاني من الحمى منذ ثلاثة أيام ويحتاج إلى الراحة.",
        "Пациент болен уже три дня, и ему нужен покой.",
    ]
    found = model.summarize(" ".join(several), words=20)
    assert found.sentences
    assert {one.text for one in found.sentences} <= set(several)
    assert (found.parts_read, found.parts) == (1, 1)
    # The tiny model was judged in English and French alone.
    assert found.language in ("en", "fr") or len(found.warnings) == 1


def test_a_right_to_left_text_with_numbers(model: edgekit.Model) -> None:
    text = "المريض يعاني من الحمى منذ 3 أيام. درجة حرارته 39.5 اليوم. شغل أغنية في الغرفة 12."
    found = model.summarize(text, words=8)
    assert all(one.text in text for one in found.sentences)
    assert found.language == "ar"
    assert "Arabic" in found.warnings[0]


def test_a_judged_language_has_no_warning_and_another_has(model: edgekit.Model) -> None:
    assert model.summarize(TEXT).warnings == ()
    german = (
        "Das Zimmer ist warm, und die Lampe im Flur ist noch immer an. Der Arzt kommt morgen früh."
    )
    assert "German" in model.summarize(german, words=8).warnings[0]
    assert "could not be told" in model.summarize("12345", words=8).warnings[0]


def test_the_same_in_a_process_of_its_own(folder: Path, model: edgekit.Model) -> None:
    with edgekit.load(folder, isolate=True) as isolated:
        assert isolated.summarize(TEXT, words=40) == model.summarize(TEXT, words=40)


@pytest.mark.parametrize("isolate", [False, True], ids=["here", "isolated"])
def test_cancelled_it_gives_what_was_read(folder: Path, isolate: bool) -> None:
    told: list[Told] = []
    with edgekit.load(folder, isolate=isolate, threads=1) as model:
        long = " ".join(f"Sentence {n} of the hall and its lamp {n * 7}." for n in range(60_000))
        stream = model.summarize(long, words=40, stream=True, on_told=told.append)
        while stream.parts_read < 2:
            stream._take()
        stream.cancel()
        found = stream.summary()
    assert found.cancelled
    assert 2 <= found.parts_read < found.parts
    assert found.sentences[-1].start < len(long) // 2
    assert [one.parts_read for one in told] == sorted(one.parts_read for one in told)


def test_verbs_that_an_artifact_lacks(model: edgekit.Model, made_artifact: Path) -> None:
    with pytest.raises(UnsupportedTask, match="cannot classify"):
        model.classify("lamp")
    with pytest.raises(UnsupportedTask, match="cannot chat"):
        model.chat([{"role": "user", "content": "lamp"}])
    with pytest.raises(UnsupportedTask, match="logits"):
        model.logits("lamp")
    with (
        edgekit.load(made_artifact) as classifier,
        pytest.raises(UnsupportedTask, match="cannot summarize"),
    ):
        classifier.summarize(TEXT)


def test_effort_needs_an_embedder_and_something_to_spare(model: edgekit.Model) -> None:
    with pytest.raises(EdgekitError, match="belong together"):
        model.summarize(TEXT, effort="fast")
    with pytest.raises(EdgekitError, match="belong together"):
        model.summarize(TEXT, embedder=model)
    with pytest.raises(EdgekitError, match="not 'slow'"):
        model.summarize(TEXT, effort="slow")
    with pytest.raises(UnsupportedTask, match="cannot choose"):
        model.summarize(TEXT, effort="fast", embedder=model)


def test_a_model_that_gives_other_vectors_than_where_it_was_built(tmp_path: Path) -> None:
    folder = make_summarizer(tmp_path / "made")
    golden = (folder / "golden.json").read_text("utf-8")
    wrong = make_summarizer(tmp_path / "wrong", prefix="please play a song, please ")
    (wrong / "golden.json").write_text(golden, "utf-8")
    fields = edgekit.inspect(wrong).manifest.as_json()
    (wrong / "manifest.json").unlink()
    artifact.write(
        wrong, {k: v for k, v in fields.items() if k not in ("files", "digest", "format_version")}
    )
    with pytest.raises(ArtifactError, match="does not answer here"):
        edgekit.load(wrong)


def test_central_sentences_win_and_near_copies_stay_out() -> None:
    sentences = [f"Sentence number {n} says something of its own." for n in range(5)]
    vectors = np.array([[1, 0.1], [1, 0], [0.9, 0.5], [-1, 0.2], [0, -1]], dtype=np.float32)
    chosen = choosing.choose(sentences, vectors, words=15)
    assert chosen == sorted(chosen)
    assert not {0, 1} <= set(chosen)
    assert 3 not in chosen
    assert flat("a\nb") == "a b"


def test_what_stands_first_counts_and_headings_and_listings_do_not() -> None:
    said = "Sentence number {} says something of its own."
    sentences = ["A heading of six words here", *(said.format(n) for n in range(4)), "# x = 1 2 3"]
    vectors = np.ones((6, 2), dtype=np.float32)
    assert choosing.choose(sentences, vectors, words=8) == [1]


def test_the_rest_of_a_sentence_is_not_chosen_unless_all_is_written_so() -> None:
    sentences = [
        "and so the rest of it ended here.", "It says something of its own now.",
        "«ouverte» depuis hier sans son directeur là.", "iPhones were sold to all of them there.",
    ]  # fmt: skip
    vectors = np.ones((4, 2), dtype=np.float32)
    assert choosing.choose(sentences, vectors, words=8) == [1]
    assert choosing.choose([*sentences[:1], *sentences[2:]], vectors[:3], words=8) == [2]
    lower = [sentence.lower() for sentence in sentences]
    assert choosing.choose(lower, vectors, words=8) == [0]


class Counting:
    """An encoder that reads: a vector and tokens by the text's length."""

    workers, version = 1, "counting 1"

    def __init__(self) -> None:
        self.read: list[str] = []

    def vector(self, text: str, *, alone: bool = True) -> tuple[np.ndarray, int]:
        return self.measured(text, alone=alone)[:2]

    def measured(self, text: str, *, alone: bool = True) -> tuple[np.ndarray, int, int]:
        self.read.append(text)
        return np.array([3.0, 4.0], dtype=np.float32), 1, len(text)

    def close(self) -> None:
        self.read.clear()


def test_a_text_that_is_asked_for_its_vector_is_read_once() -> None:
    encoder = Counting()
    found = list(
        Extractive(encoder, measured=encoder.measured).embed_each(["lamp", "a"], cancel=Cancel())
    )
    assert encoder.read == ["lamp", "a"]
    assert [(one.tokens, one.parts) for one in found] == [(4, 1), (1, 1)]
    assert found[0].values.tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(UnsupportedTask, match="to a summary alone"):
        list(Extractive(encoder).embed_each(["lamp"], cancel=Cancel()))
