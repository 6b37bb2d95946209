"""A chat recipe that cuts the vocabulary: built, and judged against a parent with more pieces."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.data.rows import Row
from edgekit.errors import CheckpointError
from edgekit.export.gguf import documents, vocabularies
from edgekit.export.gguf.predicting import Predictions, digests
from edgekit.export.gguf.vocabularies import GONE, Cut
from edgekit.recipe import recipe
from edgekit.runtime import rendering
from edgekit.steps.trim_vocab.vocabulary import languages
from edgekit.system import paths
from edgekit.tasks.chat.proof import comparing
from tests.tiny import chat as tiny_chat
from tests.tiny import llama as tiny_llama

CHANGES = (
    "name=trimmed",
    "languages=[en, fr]",
    "steps=[{trim_vocab: {coverage: 0.97, most_tokens_rise: 1.0}}]",
    "outputs=[{gguf: {quantize: none, calibration_tokens: 0}}]",
)
_listed = languages._listed


@dataclass(frozen=True)
class Made:
    built: Built
    small: Path
    """The trimmed checkpoint."""

    @property
    def quality(self) -> dict[str, Any]:
        return dict(self.built.artifacts[0].manifest["quality"])


@pytest.fixture(scope="module")
def made(
    built_chat: Built, made_chat_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """From the same data, so that the parent's part is found done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "_listed", lambda name: itertools.islice(_listed(name), 2000))
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        bound = recipe.read(made_chat_project / "recipe.yaml", changes=CHANGES)
        built = build.compress(plan.make(bound, out=tmp_path_factory.mktemp("trimmed")))
        checkpoints = paths.store_dir().rglob("tokenizer.json")
        small = min(checkpoints, key=lambda path: path.stat().st_size).parent
    return Made(built, small)


class Torch:
    """What transformers makes of a checkpoint, independent of all that is tested."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text).ids)

    def ends(self, ids: list[int]) -> list[int]:
        """Byte-level BPE writes a letter for each byte, and special tokens here are ASCII."""
        pieces = map(self.tokenizer.id_to_token, ids)
        return list(itertools.accumulate(map(len, pieces)))

    def logp(self, ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            found = torch.log_softmax(self.network(torch.tensor([ids])).logits[0].double(), -1)
        return np.asarray(found.numpy())

    def nats(self, ids: list[int], *, first: int = 1) -> float:
        """Of all tokens from `first` on."""
        logp = self.logp(ids)
        return -float(sum(logp[at - 1, one] for at, one in enumerate(ids) if at >= first))


def said(row: dict[str, Any]) -> str:
    if "text" in row:
        return str(row["text"])
    return rendering.render(
        tiny_llama.CHATML, row["messages"], bos="", eos="", add_generation_prompt=False
    )


def test_lost_pieces_are_part_of_the_rest_and_changed_texts_are_read_anew(made: Made) -> None:
    """All numbers once more, by torch: the small model is the large one without some pieces, so
    that everything follows from the large one's predictions and the small one's of whole texts."""
    parent, model = Torch(made.built.teacher), Torch(made.small)
    new, count = model.tokenizer.get_vocab(), parent.tokenizer.get_vocab_size()
    kept = np.array([parent.tokenizer.id_to_token(number) in new for number in range(count)])
    klds, same, rise, tokens, anew = [], [], 0.0, 0, []
    for row in tiny_chat.rows("test"):
        if row["language"] not in ("en", "fr"):
            continue
        ids, own = parent.ids(said(row)), model.ids(said(row))
        logp = parent.logp(ids)[:-1]
        tokens += len(logp)
        gone = [place for place, one in enumerate(ids) if not kept[one]]
        for place in range(gone[0] if gone else len(logp)):
            mine = np.exp(logp[place])
            theirs = np.where(kept, mine, 0.0) / mine[kept].sum()
            top = np.argsort(-mine)[:64]
            top = top[kept[top]]
            rest, other = 1 - mine[top].sum(), 1 - theirs[top].sum()
            kld = (mine[top] * np.log(mine[top] / theirs[top])).sum() + rest * np.log(rest / other)
            klds.append(kld)
            same.append(kept[mine.argmax()])
        if not gone:
            rise += model.nats(own) - parent.nats(ids)
            continue
        both = [(one.ends(read), one, read) for one, read in ((parent, ids), (model, own))]
        first = min({*both[0][0]} & {*both[1][0]})
        assert both[0][0][-1] == both[1][0][-1] == len(said(row).encode())
        mine, theirs = (one.nats(read, first=ends.index(first) + 1) for ends, one, read in both)
        anew.append((len(said(row).encode()) - first, mine, theirs))
        predicted = len(ids) - both[0][0].index(first) - 1
        rise += (theirs - mine) * len(logp) / predicted
    quality = made.quality
    assert (quality["tokens"], quality["compared"]) == (tokens, len(klds))
    assert len(klds) < tokens
    assert quality["kld"] == pytest.approx(np.mean(klds), rel=0.01)
    assert quality["kld"] > 0.01
    assert quality["top1"] == pytest.approx(np.mean(same), abs=0.01)
    assert quality["ppl_ratio"] == pytest.approx(math.exp(rise / tokens), rel=0.01)
    # Rows in a language that the recipe does not list are judged apart.
    told = quality["read_anew"]
    sizes, large, small = (sum(one[place] for one in anew) for place in range(3))
    assert (told["rows"], told["bytes"], told["rows_too_short"]) == (len(anew), sizes, 0)
    bits = told["bits_per_byte"]
    assert bits["parent"] == pytest.approx(large / sizes / math.log(2), rel=0.01)
    assert bits["model"] == pytest.approx(small / sizes / math.log(2), rel=0.01)


def test_what_is_said_of_it_says_how_it_was_read(made: Made) -> None:
    page = (made.built.out / "report.html").read_text()
    card = (made.built.artifacts[0].path / "MODEL_CARD.md").read_text()
    for said in (page, card):
        assert "have pieces that" in said
        assert "bits a byte" in said


def test_a_parent_that_reads_texts_otherwise_is_refused(made: Made, tmp_path: Path) -> None:
    """Of pieces that the model has: another tokenizer must not look like a loss."""
    model = made.built.artifacts[0].path / "model.gguf"
    rows = [Row("Everyone has the right to life"), Row("No one shall be held in slavery")]
    read = documents.read(model, rows, window=64)
    strange = replace(read, tokens=(read.tokens[1], read.tokens[0]))
    parent = comparing.Parent(model, rows, strange, tmp_path / "none.npz", 64)
    with pytest.raises(CheckpointError, match=r"reads 'Everyone .* as other tokens"):
        comparing.read(model, parent, tmp_path, lambda fraction: None)


def test_probability_of_lost_pieces_goes_to_the_rest() -> None:
    logp = np.log(np.array([[0.5, 0.3, 0.1], [0.4, 0.3, 0.2], [0.6, 0.2, 0.1]], dtype=np.float32))
    parent = Predictions(
        ids=np.array([[0, 1, 2], [3, 0, 1], [2, 1, 0]], dtype=np.int32),
        logp=logp,
        rest=np.array([0.1, 0.1, 0.1], dtype=np.float32),
        next=np.log(np.array([0.3, 0.4, 0.2], dtype=np.float32)),
        best=np.array([0, 3, 2], dtype=np.int32),
        lengths=np.array([2, 1], dtype=np.int32),
        digests=digests([[0, 1, 3], [1, 2]]),
    )
    # Piece 3 is gone, and the others have other numbers.
    found = vocabularies.alike(parent, [[0, 1, 3], [1, 2]], np.array([2, 0, 1, GONE]))
    assert found.tokens == ((2, 0, 2), (0, 1))
    assert found.whole == {1}
    assert found.places.tolist() == [0, 1, 2]
    assert found.parent.best.tolist() == [2, GONE, 1]
    np.testing.assert_allclose(np.exp(found.parent.logp).sum(1) + found.parent.rest, 1, rtol=1e-6)
    np.testing.assert_allclose(found.parent.rest, [0.1, 0.5, 0.1], rtol=1e-6)
    # Where the first piece of a window is gone, there is nothing that both have read.
    parent = parent.sequences(0, 1)
    assert vocabularies.alike(parent, [[3, 0, 1]], np.array([2, 0, 1, GONE])).tokens == ()


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Cut, Cut, int]:
    size = draw(st.integers(2, 60))
    first = draw(st.sampled_from([None, 7]))
    both = []
    for _ in range(2):
        inner = draw(st.sets(st.integers(1, size - 1)))
        ends = (*sorted(inner), size)
        both.append(Cut(tuple(range(100, 100 + len(ends))), ends, first))
    return both[0], both[1], draw(st.integers(2, 20))


@given(cuts())
def test_both_read_the_same_bytes(given_cuts: tuple[Cut, Cut, int]) -> None:
    parent, other, window = given_cuts
    for span in vocabularies.spans(parent, other, window=window):
        read = []
        for one, tokens, skipped in zip(
            (parent, other), (span.parent, span.other), span.skipped, strict=True
        ):
            assert len(tokens) <= window
            begins = [0, *one.ends]
            first = 1 if one.first is not None else 0
            assert tokens[:first] == ((7,) if first else ())
            places = [token - 100 for token in tokens]
            predicted = places[1 + skipped :]
            assert predicted
            assert predicted == list(range(predicted[0], predicted[-1] + 1))
            read.append((begins[predicted[0]], one.ends[predicted[-1]]))
        # What is predicted begins and ends at the same places.
        assert read[0] == read[1]
        assert span.size_bytes == read[0][1] - read[0][0]


@given(cuts())
def test_a_text_that_fits_a_window_is_read_whole(given_cuts: tuple[Cut, Cut, int]) -> None:
    parent, other, _ = given_cuts
    found = list(vocabularies.spans(parent, other, window=100))
    if parent.first is not None:
        assert [span.size_bytes for span in found] == [parent.ends[-1]]
    else:
        assert len(found) <= 1
