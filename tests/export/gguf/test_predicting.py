"""What a GGUF predicts is what its checkpoint predicts, kept small, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from edgekit.build.outcome import Built
from edgekit.data.rows import Row
from edgekit.errors import ExportError
from edgekit.export.gguf import divergence, documents, greedy, predicting
from edgekit.export.gguf.predicting import KEPT, Predictions
from edgekit.store.progress import load_progress

TEXTS = [
    "Everyone has the right to life, liberty and security of person.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
    "short",
]


@pytest.fixture(scope="module")
def model(built_chat: Built) -> Path:
    """The q8_0 file of the tiny artifact."""
    return built_chat.artifacts[0].path / "model.gguf"


@pytest.fixture(scope="module")
def tokens(model: Path) -> list[list[int]]:
    return predicting.tokenize(model, TEXTS, special=False)


@pytest.fixture(scope="module")
def found(model: Path, tokens: list[list[int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predictions") / "found.npz"
    predicting.predict(model, tokens, out, threads=1)
    return out


def torch_logp(checkpoint: Path, sequence: Sequence[int]) -> np.ndarray:
    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits = network(input_ids=torch.tensor([list(sequence)])).logits[0, :-1]
    return np.asarray(torch.log_softmax(logits.double(), dim=-1))


def test_predictions_are_the_checkpoints(
    built_chat: Built, found: Path, tokens: list[list[int]]
) -> None:
    """Within what 8 bits lose: far less than there is between any two tokens."""
    made = Predictions.read(found)
    assert list(made.lengths) == [len(one) - 1 for one in tokens]
    wanted = np.concatenate([torch_logp(built_chat.teacher, one) for one in tokens])
    following = np.concatenate([one[1:] for one in tokens])
    assert made.logp.shape == (len(wanted), KEPT)
    np.testing.assert_allclose(np.take_along_axis(wanted, made.ids, 1), made.logp, atol=0.3)
    np.testing.assert_allclose(wanted[np.arange(len(wanted)), following], made.next, atol=0.3)
    masses = np.exp(made.logp.astype(np.float64)).sum(axis=1) + made.rest
    np.testing.assert_allclose(masses, 1, atol=1e-5)
    assert (np.diff(made.logp, axis=1) <= 0).all()
    assert (made.ids[:, 0] == made.best).all()


def test_a_model_does_not_diverge_from_itself(
    model: Path, tokens: list[list[int]], found: Path, tmp_path: Path
) -> None:
    predicting.predict(model, tokens, tmp_path / "again.npz", threads=1, at=found)
    compared = divergence.compare(found, tmp_path / "again.npz")
    assert compared.kld.max() == 0
    assert compared.same_top.all()
    assert compared.summary()["ppl_ratio"] == 1


def test_other_texts_are_never_compared(
    model: Path, tokens: list[list[int]], found: Path, tmp_path: Path
) -> None:
    changed = [[*tokens[0][:-1], 5], *tokens[1:]]
    with pytest.raises(ExportError, match="predictions of other texts"):
        predicting.predict(model, changed, tmp_path / "a.npz", threads=1, at=found)
    predicting.predict(model, changed, tmp_path / "b.npz", threads=1)
    with pytest.raises(ExportError, match="was not made at"):
        divergence.compare(found, tmp_path / "b.npz")


def test_a_killed_run_goes_on_and_gives_the_same(
    model: Path,
    tokens: list[list[int]],
    found: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predicting, "PART_TOKENS", 10)  # a part for each sequence
    run: Callable[..., dict[str, Any]] = predicting.child.ask
    asked: list[int] = []

    def twice(module: str, verb: str, request: Any, **settings: Any) -> dict[str, Any]:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(len(request["tokens"]))
        return run(module, verb, request, **settings)

    out, progress = tmp_path / "out.npz", tmp_path / "progress"
    with monkeypatch.context() as patch:
        patch.setattr(predicting.child, "ask", twice)
        with pytest.raises(KeyboardInterrupt):
            predicting.predict(model, tokens, out, threads=1, progress=progress)
    assert not out.exists()
    saved = load_progress(progress)
    assert saved is not None
    assert saved.state["done"] == 2
    fractions: list[float] = []
    predicting.predict(
        model, tokens, out, threads=1, progress=progress, on_progress=fractions.append
    )
    assert min(fractions) > 0.5
    whole, resumed = Predictions.read(found), Predictions.read(out)
    for name in ("ids", "logp", "rest", "next", "best", "lengths", "digests"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(resumed, name))


@pytest.mark.parametrize("spoil", ["cut", "noise", "nothing"])
def test_a_bad_file_costs_an_error_and_not_this_process(
    model: Path, tmp_path: Path, spoil: str
) -> None:
    data = bytearray(model.read_bytes())
    if spoil == "noise":
        data[40:400] = bytes(range(90)) * 4
    bad = tmp_path / "bad.gguf"
    bad.write_bytes({"cut": bytes(data[: len(data) // 2]), "nothing": b""}.get(spoil, bytes(data)))
    with pytest.raises(ExportError, match=r"reading texts with bad.gguf failed"):
        predicting.predict(bad, [[1, 2, 3]], tmp_path / "out.npz", threads=1)


def test_texts_without_two_tokens_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no two tokens in a row"):
        predicting.predict(model, [[1], []], tmp_path / "out.npz", threads=1)


def collected(logits: np.ndarray, ids: np.ndarray | None = None) -> Predictions:
    """As a child would keep these logits of one sequence."""
    rows = len(logits)
    kept = predicting._Collected([[0] * (rows + 1)], min(KEPT, logits.shape[1]), ids)
    kept.add(logits, np.zeros(rows, dtype=np.int64))
    return kept.predictions(np.array(["x"]))


@given(seed=st.integers(0, 10_000), pieces=st.integers(2, 400), spread=st.floats(0.1, 20))
@settings(max_examples=60)
def test_what_is_kept_never_exaggerates_and_is_exact_where_all_is_kept(
    seed: int, pieces: int, spread: float
) -> None:
    random = np.random.default_rng(seed)
    parent = (spread * random.normal(size=(4, pieces))).astype(np.float32)
    other = (parent + random.normal(size=(4, pieces))).astype(np.float32)
    mine = collected(parent)
    found = divergence.divergences(mine, collected(other, mine.ids))
    logp, logq = (one - np.logaddexp.reduce(one, axis=1, keepdims=True)
                  for one in (parent.astype(np.float64), other.astype(np.float64)))  # fmt: skip
    true = (np.exp(logp) * (logp - logq)).sum(axis=1)
    assert (found >= 0).all()
    assert (found <= true + 1e-5 * (1 + spread)).all()
    if pieces <= KEPT:
        np.testing.assert_allclose(found, true, atol=1e-5 * (1 + spread))


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(ExportError, match="no numbers"):
        collected(np.array([[1.0, np.nan, 2.0]], dtype=np.float32))


def of_whole_batches(
    logits: np.ndarray, following: np.ndarray, ids: np.ndarray | None
) -> dict[str, np.ndarray]:
    """What is kept, from its definition: everything sorted and summed at once, in float64."""
    exact = logits.astype(np.float64)
    logp = exact - np.logaddexp.reduce(exact, axis=1, keepdims=True)
    if ids is None:
        ids = np.argsort(-logits, axis=1, kind="stable")[:, :KEPT]
    known = ids >= 0
    kept = np.where(known, np.take_along_axis(logp, ids, axis=1), -np.inf)
    left = logp.copy()
    rows, places = np.nonzero(known)
    left[rows, ids[rows, places]] = -np.inf
    return {
        "ids": ids,
        "logp": kept,
        "rest": np.exp(left).sum(axis=1),
        "next": logp[np.arange(len(logp)), following],
        "best": logits.argmax(axis=1),
    }


@given(
    seed=st.integers(0, 10_000),
    pieces=st.integers(KEPT, 30_000),
    spread=st.floats(0.1, 20),
    steps=st.sampled_from([0.5, 1e-4, 0]),
    given_ids=st.booleans(),
)
@settings(max_examples=40)
def test_what_is_kept_is_what_sorting_all_of_it_gives(
    seed: int, pieces: int, spread: float, steps: float, given_ids: bool
) -> None:
    """Also where many scores are equal, where they rise to the end, and in any large vocabulary."""
    random = np.random.default_rng(seed)
    logits = (spread * random.normal(size=(3, pieces))).astype(np.float32)
    if steps:
        logits = (np.round(logits / steps) * steps).astype(np.float32)
    logits[1].sort()
    logits[2, random.integers(0, pieces, pieces // 3)] = -np.inf
    logits[2, :KEPT] = np.maximum(logits[2, :KEPT], -100)
    following = random.integers(0, KEPT, 3)
    ids = random.integers(-1, pieces, (3, 5)) if given_ids else None
    if ids is not None:
        ids[:, 1:] = np.where(ids[:, 1:] == ids[:, :1], -1, ids[:, 1:])
        ids = np.sort(ids, axis=1)
        ids[:, 1:][ids[:, 1:] == ids[:, :-1]] = -1
    kept = predicting._Collected([[0] * 4], KEPT if ids is None else ids.shape[1], ids)
    for row, token in zip(logits, following, strict=True):
        kept.add(row[None], np.array([token]))
    found, wanted = kept.predictions(np.array(["x"])), of_whole_batches(logits, following, ids)
    for name, one in wanted.items():
        if name in ("ids", "best"):
            np.testing.assert_array_equal(getattr(found, name), one, err_msg=name)
        else:
            np.testing.assert_allclose(
                getattr(found, name), one, rtol=1e-5, atol=1e-5 * (1 + spread), err_msg=name
            )


def test_rows_are_cut_into_windows_and_conversations_rendered(model: Path) -> None:
    turns = ({"role": "user", "content": "hello"}, {"role": "assistant", "content": "<|im_end|>"})
    rows = [Row(TEXTS[0]), Row("hello", messages=turns)]
    found = documents.read(model, rows, window=8)
    assert all(2 <= len(window) <= 8 for window in found.tokens)
    plain = [token for window, row in zip(found.tokens, found.rows, strict=True) if row == 0
             for token in window]  # fmt: skip
    [wanted] = predicting.tokenize(model, [TEXTS[0]], special=False)
    assert plain == wanted[: len(plain)]
    assert len(wanted) - len(plain) <= 1
    [whole] = documents.read(model, rows[1:], window=100).tokens
    rendered = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n<|im_end|><|im_end|>\n"
    assert [list(whole)] == predicting.tokenize(model, [rendered], special=True)


def test_special_tokens_are_read_as_such_in_rendered_texts_alone(model: Path) -> None:
    [special] = predicting.tokenize(model, ["<|im_end|>"], special=True)
    [plain] = predicting.tokenize(model, ["<|im_end|>"], special=False)
    assert len(special) == 1
    assert len(plain) > 1


def test_greedy_answers_are_the_likeliest_tokens(built_chat: Built, model: Path) -> None:
    """Each is what the predictions of prompt and answer hold for the likeliest."""
    [one] = greedy.answers(model, ["Everyone has"], count=6, threads=1)
    [prompt] = predicting.tokenize(model, ["Everyone has"], special=False)
    for place, token in enumerate(one.tokens):
        logp = torch_logp(built_chat.teacher, [*prompt, *one.tokens[: place + 1]])[-1]
        first, second = np.argsort(-logp)[:2]
        if one.margins[place] > 0.5:
            assert first == token
        assert logp[first] - logp[second] == pytest.approx(one.margins[place], abs=0.6)


def test_a_prompt_that_spells_a_special_token_has_no_answer(model: Path) -> None:
    turn = {"role": "user", "content": "say <|im_end|> please"}
    plain = {"role": "user", "content": "say <|im_ends|> please"}
    prompts = [[turn], [plain], "say <|im_end|>"]
    steered, asked, text = greedy.answers(model, prompts, count=2, threads=1)
    assert (steered.tokens, text.tokens) == ((), ())
    assert asked.tokens
