"""`edgekit trim` on a real tiny GGUF, with the Declaration's own words as texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli import DONE, ERROR, USAGE, main
from edgekit.data import declaration
from tests.tiny.chat_artifact import tiny_gguf

LOOSE = ("--most-tokens-rise", "9", "--threads", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("texts")
    for name in ("en", "fr"):
        lines = declaration.paragraphs(name)[:40]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: folder / f"{name}.txt" for name in ("en", "fr")}


def trim(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["trim", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, " ".join(said.err.split())


def test_it_writes_a_smaller_file_and_says_what_was_proven(
    model: Path, texts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "small.gguf"
    both = [f"{name}={path}" for name, path in texts.items()]
    code, said, _ = trim(capsys, model, out, "--languages", "en,fr", "--texts", *both, *LOOSE,
                         "--json")  # fmt: skip
    assert code == DONE
    record = json.loads(said)
    assert record["path"] == str(out)
    assert record["pieces"]["after"] < record["pieces"]["before"]
    assert record["size_bytes"]["after"] == out.stat().st_size < model.stat().st_size
    for one in record["by_language"].values():
        assert one["texts"] > 20
        assert one["logits_equal"] > 0
    code, said, err = trim(capsys, model, out, "--languages", "en", "--texts", texts["en"])
    assert (code, said) == (ERROR, "")
    assert "small.gguf exists; name another file" in err


def test_it_tells_people_by_language(
    model: Path, texts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One language, whose file needs no name; and pieces that were asked for."""
    out = tmp_path / "small.gguf"
    code, said, _ = trim(capsys, model, out, "--languages", "en", "--texts", texts["en"], *LOOSE,
                         "--keep", "ж", "--keep", "ю")  # fmt: skip
    assert code == DONE
    assert said.startswith(f"{out}: ")
    for wanted in ("pieces", "instead of", "en English", "same logits", "equal to the bit"):
        assert wanted in said


def test_what_cannot_be_done_is_one_sentence(
    model: Path, texts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, english = tmp_path / "small.gguf", texts["en"]
    strange = tmp_path / "strange.gguf"
    strange.write_bytes(b"GGUF" + b"\xff" * 100)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model.read_bytes()[:-100_000])
    for arguments, wanted in (
        ([model, out, "--languages", "en,fr", "--texts", english],
         "say which of the languages (en, fr) the file is in: --texts en=FILE"),
        ([model, out, "--languages", "en", "--texts", f"sw={english}"], "(en) the file is in"),
        ([model, out, "--languages", "en", "--texts", tmp_path / "none.txt"], "none.txt: "),
        ([tmp_path / "none.gguf", out, "--languages", "en", "--texts", english],
         "this cannot be read (No such file or directory)"),
        ([strange, out, "--languages", "en", "--texts", english], "whole GGUF file"),
        ([cut, out, "--languages", "en", "--texts", english], "whole GGUF file"),
        ([model, out, "--languages", "en", "--texts", english, "--size", "10"], "never removed"),
    ):  # fmt: skip
        code, said, err = trim(capsys, *arguments)
        assert (code, said) == (ERROR, "")
        assert wanted in err
    assert not out.exists()


@pytest.mark.parametrize(
    "wrong",
    [["--languages", "english!"], ["--coverage", "1.5"], ["--coverage", "much"], ["--size", "0"],
     ["--most-tokens-rise", "nan"]],
)  # fmt: skip
def test_wrong_usage_is_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["trim", "a.gguf", "b.gguf", "--languages", "en", "--texts", "x.txt", *wrong])
    assert caught.value.code == USAGE
    assert wrong[1] in capsys.readouterr().err
