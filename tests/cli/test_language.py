"""Errors on the command line, in the user's language."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.cli import ERROR, USAGE, main


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == ERROR
    return capsys.readouterr().err.strip()


@pytest.fixture(autouse=True)
def _no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


def test_the_system_decides_and_an_option_overrules_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = str(tmp_path / "gone")
    english = f"edgekit: {gone}: there is no such folder; give the path of an artifact."
    assert said(capsys, "inspect", gone) == english
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    french = f"{gone} : ce dossier n’existe pas ; donnez le chemin d’un artefact. [no-such-folder]"
    assert said(capsys, "inspect", gone) == f"edgekit: {french}"
    assert said(capsys, "inspect", gone, "--lang", "en") == english
    spanish = said(capsys, "--lang=es", "inspect", gone)
    assert spanish.endswith("no existe esa carpeta; dé la ruta de un artefacto. [no-such-folder]")


def test_a_text_after_two_dashes_is_no_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = str(tmp_path / "gone")
    assert "there is no such folder" in said(capsys, "classify", gone, "--", "--lang", "fr")


def test_a_language_without_a_catalogue_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["inspect", "x", "--lang", "de"])
    assert ended.value.code == USAGE
    assert "choose from" in capsys.readouterr().err
