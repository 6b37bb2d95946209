"""`edgekit chat`, `extract`, `classify --labels`, `bench` and `verify` with a chat artifact."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import edgekit
from edgekit.cli import DONE, ERROR, INTERRUPTED, main
from edgekit.cli.terminal import Shown


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> object:
    def type_lines(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return type_lines


def test_one_answer_for_a_script(chat_artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["chat", str(chat_artifact), "--prompt", "Hello", "--seed", "4",
               "--max-tokens", "9", "--system", "Answer."]  # fmt: skip
    assert main(command) == DONE
    said = capsys.readouterr()
    with edgekit.load(chat_artifact) as model:
        wanted = model.chat(
            [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Hello"}],
            max_tokens=9, seed=4,
        )  # fmt: skip
    shown = io.StringIO()
    Shown(shown).add(wanted.text)
    assert said.out.rstrip("\n") == shown.getvalue().rstrip("\n")
    assert "cut after 9 tokens" in said.err


def test_a_conversation_goes_on_until_quit(
    chat_artifact: Path, typed: object, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("Hello\n\n/nonsense\nAnd then?\n/new\nHello\n/quit\nnever\n")
    command = ["chat", str(chat_artifact), "--seed", "4", "--max-tokens", "6", "--plain"]
    assert main(command) == DONE
    said = capsys.readouterr()
    assert said.out.count("Answer: ") == 3
    first, second, third = said.out.split("Answer: ")[1:]
    assert first == third != second
    assert "no command '/nonsense'" in said.err
    assert "never" not in said.out


def test_a_long_conversation_says_what_it_left_out(
    chat_artifact: Path, typed: object, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("Everyone has the right to rest and leisure.\n" * 4)
    command = ["chat", str(chat_artifact), "--context", "96", "--max-tokens", "8", "--seed", "1"]
    assert main(command) == DONE
    assert "oldest messages were left out" in " ".join(capsys.readouterr().err.split())


def test_a_question_that_is_too_long_harms_only_itself(
    chat_artifact: Path, typed: object, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("Hello " * 400 + "\nHello\n")
    assert main(["chat", str(chat_artifact), "--max-tokens", "4", "--plain"]) == DONE
    said = capsys.readouterr()
    assert "edgekit: The conversation takes" in " ".join(said.err.split())
    assert said.out.count("Answer: ") == 2
    command = ["chat", str(chat_artifact), "--prompt", "Hello " * 400]
    assert main(command) == ERROR


class Interrupting(io.StringIO):
    """Ctrl-C comes with the first piece."""

    def write(self, text: str) -> int:
        written = super().write(text)
        if text and self.getvalue() == text:
            raise KeyboardInterrupt
        return written


def test_ctrl_c_stops_the_answer_and_keeps_it(
    chat_artifact: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Interrupting()
    monkeypatch.setattr(sys, "stdout", out)
    code = main(["chat", str(chat_artifact), "--prompt", "Hello", "--seed", "4"])
    monkeypatch.undo()
    assert out.getvalue().strip()
    said = capsys.readouterr().err
    # A tiny model can have filled its context before it hears of it.
    assert (code, "(stopped)" in said) in ((INTERRUPTED, True), (DONE, False))


def test_an_answer_cannot_command_the_terminal() -> None:
    out = io.StringIO()
    shown = Shown(out)
    for piece in ("a\x1b", "]52;c;aGk=\x07b", "\x9b2J", "\u202ec\r", "tab\there\n", "\ud83d"):
        shown.add(piece)
    shown.finish()
    assert out.getvalue() == "a]52;c;aGk=b2Jctab\there\n"
    shown = Shown(out := io.StringIO())
    shown.add("no end of line")
    shown.finish()
    assert out.getvalue() == "no end of line\n"


def test_fields_for_people_and_for_scripts(
    chat_artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(
        json.dumps({
            "type": "object",
            "properties": {"city": {"enum": ["Nairobi", "Lima"]}, "big": {"type": "boolean"}},
            "required": ["city", "big"],
        })
    )  # fmt: skip
    command = ["extract", str(chat_artifact), "Nairobi is big.", "--schema", str(schema)]
    assert main([*command, "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["city"] in ("Nairobi", "Lima")
    assert isinstance(found["big"], bool)
    assert main(command) == DONE
    assert capsys.readouterr().out.split() == [
        "city", found["city"], "big", str(found["big"]).lower(),
    ]  # fmt: skip
    for text, said in (("[]", "mapping"), ("{", "no JSON"), ('{"type": "x"}', "no type")):
        schema.write_text(text)
        assert main(command) == ERROR
        assert said in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "gone.json")]) == ERROR


def test_labels_of_texts_and_of_a_file(
    chat_artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["--labels", "yes, no"]
    assert main(["classify", str(chat_artifact), "Is it?", *labels, "--json"]) == DONE
    one = json.loads(capsys.readouterr().out)
    assert set(one["scores"]) == {"yes", "no"}
    (tmp_path / "in.csv").write_text("text\nIs it?\nIt is.\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    files = ["--file", str(tmp_path / "in.csv"), "--out", str(out)]
    assert main(["classify", str(chat_artifact), *labels, *files]) == DONE
    assert f"Is it?,{one['label']},{one['score']:.6f}"[:12] in out.read_text()
    assert main(["classify", str(chat_artifact), "Is it?"]) == ERROR
    assert "--labels a,b,c" in capsys.readouterr().err


def test_bench_compares_with_the_same_file_raw(
    chat_artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", str(chat_artifact), "--rounds", "1", "--threads", "1"]
    assert main([*command, "--json"]) == DONE
    result = json.loads(capsys.readouterr().out)
    numbers = {"size_bytes", "prompt_tokens_per_s", "tokens_per_s", "first_token_ms",
               "cold_start_ms", "peak_rss_bytes"}  # fmt: skip
    assert set(result["artifact"]) == set(result["raw"]) == numbers
    assert all(value > 0 for side in ("artifact", "raw") for value in result[side].values())
    assert result["ratio"]["raw"] > 0
    assert result["threads"] == 1
    assert main([*command, "--data", "texts.txt"]) == ERROR
    assert "--data is for other artifacts" in capsys.readouterr().err


def test_bench_for_people(chat_artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edgekit.cli import bench

    numbers = {"size_bytes": 1, "prompt_tokens_per_s": 264.0, "tokens_per_s": 97.0,
               "first_token_ms": 80.0, "cold_start_ms": 900.0, "peak_rss_bytes": 2}  # fmt: skip
    result = {
        "lengths": {"prompt_tokens": 512, "tokens": 64}, "threads": 2, "rounds": 5,
        "artifact": numbers, "raw": numbers, "ratio": {"raw": 0.98},
        "machine": {"load_before": 0.9},
    }  # fmt: skip
    bench._print("chat", result)
    out = capsys.readouterr().out
    assert "0.98 times as fast" in out
    assert "trust the ratios" in out


def test_verify_runs_the_golden_answers(
    chat_artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(chat_artifact)]) == DONE
    out = capsys.readouterr().out
    assert "ok  model.gguf" in out
    assert "ok  2 golden answers" in out
