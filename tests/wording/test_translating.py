"""Errors in ten languages: every sentence is there, with the values of the original."""

from __future__ import annotations

import ast
import runpy
import string
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import edgekit
from edgekit.data.refusals import told
from edgekit.errors import ArtifactError, DataError, MissingExtra, RecipeError, Told, at, code_of
from edgekit.wording import translating
from edgekit.wording.suggestions import did_you_mean
from tests.wording import catalogues

SOURCE = Path(edgekit.__file__).parent
TRANSLATED = [code for code in translating.LANGUAGES if code != translating.SOURCE]


def fields(template: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(template) if name})


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_sentence_with_its_values_and_no_other(language: str) -> None:
    wanted, there = catalogues.texts(), translating.catalogue(language)
    assert wanted.keys() - there.keys() == set(), "python tests/wording/catalogues.py, translate"
    assert there.keys() - wanted.keys() == set(), "python tests/wording/catalogues.py"
    for code, template in wanted.items():
        assert fields(there[code]) == fields(template), f"{language}: {code}"
        assert there[code].strip() != template.strip(), f"{language}: {code}"
        # What begins with a space goes on with another sentence.
        assert there[code].startswith(" ") == template.startswith(" "), f"{language}: {code}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_read_as_gettext_reads_it(language: str) -> None:
    known = {one.context: one for one in catalogues.read(language) if one.id}
    assert {code: one.string for code, one in known.items()} == translating.catalogue(language)
    assert {code: one.id for code, one in known.items()} == catalogues.texts(), "other English"


def test_no_code_stands_in_two_tables() -> None:
    assert len(catalogues.texts()) == sum(len(table) for _, table in catalogues.tables())


def calls() -> Iterator[tuple[str, ast.Call, Mapping[str, str]]]:
    """Every `told(…)` of the code, with the table that it takes its sentence from."""
    tables = dict(catalogues.tables())
    for path in SOURCE.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        package = f"{'.'.join(name.split('.')[:2])}.refusals"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[-1], ast.Dict):
                called = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
                table = tables.get(name) or tables.get(package)
                if called == "told" and table is not None:
                    yield f"{name}:{node.lineno}", node, table


def test_every_place_that_refuses_gives_all_values_of_its_sentence() -> None:
    found = {}
    for place, node, table in calls():
        code = ast.literal_eval(node.args[-2])
        given = node.args[-1]
        assert isinstance(given, ast.Dict)
        names = sorted(ast.literal_eval(key) for key in given.keys if key is not None)
        assert names == fields(table[code]), place
        found[code] = place
    assert found.keys() == catalogues.texts().keys(), "a sentence that nobody says"


def test_english_is_what_it_always_was() -> None:
    hint = did_you_mean("lable", ["label", "text"])
    error = DataError(told("no-column", {"place": "a.csv:1", "column": "lable", "hint": hint}))
    assert str(error) == "a.csv:1: there is no column 'lable'. Did you mean 'label'?"
    assert translating.sentence(error, "en") == str(error)
    assert code_of(error) == "no-column"


def test_a_hint_and_a_place_are_said_in_the_same_language() -> None:
    hint = did_you_mean("lable", ["label", "text"])
    error = DataError(told("no-column", {"place": "a.csv:1", "column": "lable", "hint": hint}))
    wanted = "a.csv:1 : il n’y a pas de colonne « lable ». Vouliez-vous dire « label » ?"
    assert translating.sentence(error, "fr") == wanted
    placed = ArtifactError(at("out/x", DataError(told("zip-password", {"path": "b.docx"}))))
    assert str(placed).startswith("out/x: b.docx: this file asks")
    assert translating.sentence(placed, "es").startswith("out/x: b.docx: este archivo pide")
    twice = ArtifactError(at("here", placed))
    assert translating.sentence(twice, "es").startswith("here: out/x: b.docx: este archivo")
    assert at("here", RecipeError("a fault.")) == "here: a fault."


def test_values_are_shown_as_they_are() -> None:
    error = DataError(told("no-sheet", {"path": "{x}.ods", "sheet": "{hint} %s", "hint": ""}))
    assert str(error) == "{x}.ods: there is no sheet '{hint} %s'."
    assert translating.sentence(error, "sw") == "{x}.ods: hakuna karatasi '{hint} %s'."


def test_what_has_no_sentence_of_its_own_stays_english_and_has_the_code_of_its_class() -> None:
    error = RecipeError("spam.yaml:3: a fault; mend it.")
    assert translating.sentence(error, "hi") == str(error)
    assert code_of(error) == "recipe-error"
    extra = MissingExtra("pypdf", "files")
    assert not isinstance(extra.package, Told)
    assert translating.sentence(extra, "id").startswith("Ini memerlukan paket 'pypdf'")


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"LANG": "fr_CA.UTF-8"}, "fr"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "zh_TW.UTF-8", "LANG": "fr_FR"}, "zh"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_system(
    variables: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert translating.from_environment() == code


def test_the_page_of_errors_has_every_code() -> None:
    docs = SOURCE.parent / "docs"
    made = runpy.run_path(str(docs / "codes.py"))
    text = (docs / "errors.md").read_text(encoding="utf-8")
    assert made["page"](text) == text, "python docs/codes.py"
    hints = {"did-you-mean", "there-are"}
    assert [code for code in catalogues.texts() if code not in hints and f"`{code}`" not in text] \
        == []  # fmt: skip
