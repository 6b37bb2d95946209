"""Conversations as a program has them: whole or in pieces, stopped, crashed, too long."""

from __future__ import annotations

import gc
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.errors import (
    ArtifactError,
    ContextOverflow,
    DataError,
    EdgekitError,
    MissingExtra,
    OutOfMemoryBudget,
    UnsupportedTask,
    WorkerError,
)
from edgekit.runtime import memory, opening
from tests.runtime import workers

ASK = [{"role": "user", "content": "What is the capital of Kenya?"}]


@pytest.fixture(scope="module")
def model(made_chat_artifact: Path) -> edgekit.Model:
    """One worker for the tests that do no harm to it."""
    with edgekit.load(made_chat_artifact, threads=1) as loaded:
        yield loaded


def test_a_stream_is_the_answer_in_pieces(model: edgekit.Model) -> None:
    whole = model.chat(ASK, max_tokens=20, seed=3)
    stream = model.chat(ASK, stream=True, max_tokens=20, seed=3)
    assert stream.ended is None
    pieces = list(stream)
    assert len(pieces) > 3
    assert "".join(pieces) == stream.text == whole.text
    assert (stream.ended, stream.reply()) == (whole.ended, whole)
    assert list(stream) == []
    assert (whole.ended, whole.tokens, whole.dropped) == ("max_tokens", 20, ())


def test_a_seed_gives_the_same_answer_whatever_was_said_before(
    model: edgekit.Model, made_chat_artifact: Path
) -> None:
    long = [{"role": "user", "content": "Everyone has the right to rest. " * 12}]
    first = [model.chat(talk, max_tokens=12, seed=1).text for talk in (ASK, long)]
    model.chat([*long, {"role": "assistant", "content": "Why?"}, *ASK], max_tokens=3)
    assert [model.chat(talk, max_tokens=12, seed=1).text for talk in (ASK, long)] == first
    assert model.chat(ASK, max_tokens=12, seed=2).text != first[0]
    with edgekit.load(made_chat_artifact, threads=2) as other:
        assert [other.chat(talk, max_tokens=12, seed=1).text for talk in (ASK, long)] == first


def test_a_conversation_that_goes_on_is_not_read_again(model: edgekit.Model) -> None:
    first = model.chat(ASK, max_tokens=10, temperature=0)
    talk = [*ASK, {"role": "assistant", "content": first.text}, *ASK]
    second = model.chat(talk, max_tokens=10, temperature=0)
    assert first.prompt_tokens <= second.reused_tokens < second.prompt_tokens
    other = [{"role": "user", "content": "Who are you?"}]
    assert model.chat(other, max_tokens=1).reused_tokens < first.prompt_tokens


def test_a_conversation_that_does_not_fit_is_refused_or_shortened_and_said(
    model: edgekit.Model,
) -> None:
    turn = [{"role": "user", "content": "Everyone has the right to education. " * 4},
            {"role": "assistant", "content": "Education shall be free."}]  # fmt: skip
    talk = [{"role": "system", "content": "Answer."}, *turn * 5, *ASK]
    with pytest.raises(ContextOverflow, match=r"takes \d+ tokens .* 512: .*drop_oldest"):
        model.chat(talk)
    reply = model.chat(talk, when_full="drop_oldest", max_tokens=5, temperature=0)
    assert reply.dropped == tuple(range(1, 1 + len(reply.dropped)))
    assert len(reply.dropped) in (2, 4, 6, 8)
    kept = [talk[0], *talk[1 + len(reply.dropped) :]]
    assert model.chat(kept, max_tokens=5, temperature=0).text == reply.text
    with pytest.raises(ContextOverflow, match="shorter text"):
        model.chat([{"role": "user", "content": turn[0]["content"] * 9}], when_full="drop_oldest")


def test_an_answer_that_fills_the_context_says_so(made_chat_artifact: Path) -> None:
    with edgekit.load(made_chat_artifact, threads=1, context=48) as model:
        replies = [model.chat(ASK, seed=seed) for seed in range(3)]
    reply = next(reply for reply in replies if reply.ended != "stop")
    assert reply.ended == "context"
    assert reply.prompt_tokens + reply.tokens == 49


def test_cancel_keeps_what_was_said(model: edgekit.Model) -> None:
    stream = model.chat(ASK, stream=True, seed=3)
    first = next(stream)
    stream.cancel()
    stream.cancel()
    reply = stream.reply()
    assert reply.text.startswith(first)
    assert reply.text == stream.text
    # A tiny model may be at its end before the word reaches it.
    assert reply.ended in ("cancelled", "context", "stop")
    assert model.chat(ASK, max_tokens=2).tokens <= 2


def test_what_waits_can_be_cancelled_too(model: edgekit.Model) -> None:
    before = model.chat(ASK, stream=True)
    waiting = model.chat(ASK, stream=True)
    waiting.cancel()
    before.cancel()
    assert waiting.reply().tokens < 400
    before.close()


def test_several_threads_get_their_own_answers(model: edgekit.Model) -> None:
    wanted = [model.chat(ASK, max_tokens=15, seed=seed).text for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda seed: model.chat(ASK, max_tokens=15, seed=seed).text, range(6))
        )
    assert found == wanted


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_crash_is_an_error_and_the_next_call_works(chat_artifact: Path) -> None:
    with edgekit.load(chat_artifact, threads=1) as model:
        wanted = model.chat(ASK, max_tokens=3, seed=1)
        workers.newest().suspend()
        stream = model.chat(ASK, stream=True)
        workers.newest().kill()
        with pytest.raises(WorkerError, match="SIGKILL"):
            list(stream)
        with pytest.raises(WorkerError, match="SIGKILL"):
            stream.reply()
        assert model.chat(ASK, max_tokens=3, seed=1) == wanted


def test_closing_ends_what_is_under_way_and_keeps_it(chat_artifact: Path) -> None:
    model = edgekit.load(chat_artifact, threads=1)
    stream = model.chat(ASK, stream=True)
    process = workers.newest()
    model.close()
    assert not process.is_running()
    assert stream.reply().ended in ("cancelled", "context", "stop")
    with pytest.raises(WorkerError, match="closed"):
        model.chat(ASK)


def test_a_stream_that_nobody_wants_is_stopped(model: edgekit.Model) -> None:
    stream = model.chat(ASK, stream=True)
    exchange = stream._exchange
    heard = threading.Event()
    exchange.cancel = heard.set  # type: ignore[method-assign]
    stream._forgotten = type(stream._forgotten)(stream, exchange.cancel)
    del stream
    gc.collect()
    assert heard.is_set()
    exchange.result()


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("Hello", "list of mappings"),
        ([], "no message of the user"),
        ([{"role": "user"}], "content of message 1"),
        ([{"content": "x"}], "Message 1"),
        ([{"role": "tool", "content": "x"}], "'tool'"),
        ([*ASK, {"role": "assistant", "content": "x"}], "assistant's own"),
        ([{"role": "user", "content": "x", "name": "Bo"}], "'name'"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "text alone"),
    ],
)
def test_messages_that_would_not_reach_the_model_are_refused(
    model: edgekit.Model, messages: list[dict[str, str]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        model.chat(messages)


def test_contents_in_parts_are_read(model: edgekit.Model) -> None:
    parts = [
        {"type": "text", "text": "What is the capital "},
        {"type": "text", "text": "of Kenya?"},
    ]
    asked = [{"role": "user", "content": parts}]
    assert model.chat(asked, max_tokens=5, seed=1) == model.chat(ASK, max_tokens=5, seed=1)


@pytest.mark.parametrize(
    "wrong", [{"max_tokens": 0}, {"temperature": -1}, {"temperature": float("nan")},
              {"top_p": 0}, {"seed": -1}, {"seed": 2**32}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(model: edgekit.Model, wrong: dict[str, float]) -> None:
    with pytest.raises(EdgekitError, match=next(iter(wrong))):
        model.chat(ASK, **wrong)  # type: ignore[call-overload]


def test_memory_is_judged_before_loading(chat_artifact: Path) -> None:
    small, large = (edgekit.inspect(chat_artifact, context=n).needed_bytes for n in (64, 512))
    size = (chat_artifact / "model.gguf").stat().st_size
    assert size + 512 * 512 < large
    assert large - small > (512 - 64) * 512
    with pytest.raises(OutOfMemoryBudget, match="smaller context"):
        edgekit.load(chat_artifact, max_ram="100MB")
    with pytest.raises(EdgekitError, match="16 to 512 tokens, not 513"):
        edgekit.load(chat_artifact, context=513)
    with pytest.raises(EdgekitError, match="16 to 512"):
        edgekit.inspect(chat_artifact, context=1)


def test_a_long_memory_is_kept_in_eight_bits(chat_artifact: Path) -> None:
    manifest = artifact.read(chat_artifact).manifest
    cells = memory.SMALL_CACHE_BYTES // 512
    assert (memory.cache_type(manifest, cells), memory.cache_type(manifest, cells + 1)) == (
        "f16", "q8_0",
    )  # fmt: skip


def test_golden_answers_are_run_in_a_worker(chat_artifact: Path, tmp_path: Path) -> None:
    assert opening.self_test(artifact.read(chat_artifact)) == 2
    golden = json.loads((chat_artifact / "golden.json").read_text())
    golden["answers"][1]["tokens"][-1] += 1
    (chat_artifact / "golden.json").write_text(json.dumps(golden))
    fields = artifact.read(chat_artifact).manifest.as_json()
    (chat_artifact / "manifest.json").unlink()
    for key in ("digest", "files", "format_version"):
        del fields[key]
    artifact.write(chat_artifact, fields)
    for run in (edgekit.load, lambda folder: opening.self_test(artifact.read(folder))):
        with pytest.raises(ArtifactError, match=r"golden input 2: tokens .* instead of"):
            run(chat_artifact)


def test_verbs_of_other_tasks_are_refused(model: edgekit.Model, tiny_artifact: Path) -> None:
    with pytest.raises(UnsupportedTask, match=r"labels=\["):
        model.classify("lamp")
    with pytest.raises(UnsupportedTask, match="labels"):
        model.logits("lamp")
    with edgekit.load(tiny_artifact) as classifier:
        with pytest.raises(UnsupportedTask, match="cannot chat"):
            classifier.chat(ASK)
        with pytest.raises(UnsupportedTask, match="cannot extract"):
            classifier.extract("lamp", schema={"type": "string"})
        with pytest.raises(UnsupportedTask, match="labels of its own"):
            classifier.classify("lamp", labels=["a", "b"])
    with pytest.raises(UnsupportedTask, match="context"):
        edgekit.load(tiny_artifact, context=64)


def test_loading_a_chat_model_takes_no_native_code_in_here(made_chat_artifact: Path) -> None:
    import subprocess

    code = (
        f"import edgekit, sys; model = edgekit.load({str(made_chat_artifact)!r}, threads=1)\n"
        f"model.chat({ASK!r}, max_tokens=1); model.close()\n"
        "print(sorted({'llama_cpp', 'gguf', 'torch', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_base_install_says_what_brings_llama_cpp(
    chat_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = "raise ModuleNotFoundError('No module named llama_cpp', name='llama_cpp')"
    (tmp_path / "llama_cpp.py").write_text(absent)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtra, match=r"pip install 'edgekit\[gguf\]'"):
        edgekit.load(chat_artifact)


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells of another's environment")
def test_threads_of_a_worker_do_not_spin(chat_artifact: Path) -> None:
    """Beside another program they would make it many times slower."""
    with edgekit.load(chat_artifact, threads=1):
        assert workers.newest().environ()["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.slow
def test_memory_stays_flat_over_two_hundred_turns(chat_artifact: Path) -> None:
    with edgekit.load(chat_artifact, threads=1) as model:
        talk: list[dict[str, str]] = []
        held = []
        for turn in range(200):
            talk.append({"role": "user", "content": f"{turn}. Everyone has the right to rest."})
            reply = model.chat(talk, max_tokens=20, when_full="drop_oldest")
            talk = [one for at, one in enumerate(talk) if at not in reply.dropped]
            talk.append({"role": "assistant", "content": reply.text})
            model.classify("turn it up", labels=["light", "heat"])
            model.extract("turn it up", schema={"enum": ["light", "heat"]})
            held.append(workers.newest().memory_info().rss + psutil.Process().memory_info().rss)
        assert max(held[100:]) < 1.02 * max(held[20:100])
