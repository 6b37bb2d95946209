"""`edgekit evaluate` and `inspect` on a real tiny chat artifact and its teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.build.outcome import Built
from edgekit.cli import DONE, ERROR, INCONCLUSIVE, main
from edgekit.store.store import Store
from edgekit.system import paths
from tests.tiny import chat as tiny_chat
from tests.tiny import llama as tiny_llama


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(output: str) -> dict[str, Any]:
    return dict(json.loads(output.splitlines()[-1]))


def test_same_numbers_as_the_build_found_and_the_verdict_in_a_sentence(
    built_chat: Built, made_chat_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = built_chat.artifacts[0]
    arguments = (made.path, "--data", made_chat_project / "data/test.jsonl", "--against",
                 built_chat.teacher)  # fmt: skip
    code, out, _ = evaluate(capsys, *arguments, "--json")
    assert code == DONE
    assert as_json(out) == made.manifest["quality"]
    code, out, _ = evaluate(capsys, *arguments)
    assert out.splitlines()[-1].startswith("PASS: Its predictions are ")
    for said in ("sw Swahili", "all of these", "choice"):
        assert said in out


def test_the_teacher_is_not_converted_again(
    built_chat: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def halves() -> set[str]:
        with Store(paths.store_dir()) as store:
            return {entry.key for entry in store.entries() if entry.name == "gguf-convert"}

    before = halves()
    data = tiny_chat.write_rows(tmp_path / "rows.jsonl", tiny_chat.rows("test")[:3])
    arguments = (built_chat.artifacts[0].path, "--data", data, "--against", built_chat.teacher)
    assert evaluate(capsys, *arguments)[0] == INCONCLUSIVE  # three rows are few
    assert halves() == before != set()


def test_alone_it_prints_perplexity_and_no_verdict(
    built_chat: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = {"text": "Alle Menschen sind frei und gleich", "language": "de\x1b[2J"}
    rows = [*tiny_chat.rows("test")[:4], strange]
    data = tiny_chat.write_rows(tmp_path / "rows.jsonl", rows)
    made = built_chat.artifacts[0]
    code, out, _ = evaluate(capsys, made.path, "--data", data)
    assert code == DONE
    assert "perplexity" in out
    assert "Languages it was not made for" in out
    assert "\x1b" not in out
    assert "Not judged, for want of test texts: French" in out
    result = as_json(evaluate(capsys, made.path, "--data", data, "--json")[1])
    assert "verdict" not in result
    assert set(result["by_language"]) == {"en"}


def test_a_teacher_with_other_tokens_is_refused(
    built_chat: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_llama.make_checkpoint(tmp_path / "other", "llama3")
    data = tiny_chat.write_rows(tmp_path / "rows.jsonl", tiny_chat.rows("test")[:3])
    made = built_chat.artifacts[0]
    code, out, err = evaluate(capsys, made.path, "--data", data, "--against", other)
    assert (code, out) == (ERROR, "")
    assert "name the teacher that it was made from" in " ".join(err.split())


def test_inspect_says_what_was_judged(
    built_chat: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(built_chat.artifacts[0].path)]) == DONE
    out = capsys.readouterr().out
    for said in ("chat in English, French, Swahili", "512 tokens in one conversation", "PASS",
                 "nats a token", "Swahili"):  # fmt: skip
        assert said in out
    assert "labels" not in out
