"""The interface in ten languages: every text is there, with the placeholders of the original."""

from __future__ import annotations

import re

import pytest
from edgekit_tui import i18n
from edgekit_tui.i18n import LANGUAGES, SOURCE

from edgekit.wording import translating
from tests.tui import catalogues
from tests.tui.scripted import found, make_app, settle, shown

TRANSLATED = [code for code in LANGUAGES if code != SOURCE]
_PLACEHOLDERS = re.compile(r"\{(\w+)\}")


@pytest.fixture(autouse=True)
def _english_afterwards():  # type: ignore[no-untyped-def]
    yield
    i18n.choose(SOURCE)


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_has_every_text_and_no_other(code: str) -> None:
    wanted = {message.id for message in catalogues.texts() if message.id}
    there = {message.id: message for message in catalogues.read(code) if message.id}
    assert wanted - there.keys() == set(), "python tests/tui/catalogues.py, then translate"
    assert there.keys() - wanted == set(), "python tests/tui/catalogues.py"
    for key, message in there.items():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        originals = key if isinstance(key, tuple) else (key,)
        names = sorted(_PLACEHOLDERS.findall(originals[-1]))
        for form in forms:
            assert form.strip(), f"{code}: {key} has no translation"
            assert sorted(_PLACEHOLDERS.findall(form)) == names, f"{code}: {form}"


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_are_marked_until_a_speaker_confirms_them(code: str) -> None:
    fuzzy = [message for message in catalogues.read(code) if message.id and message.fuzzy]
    assert i18n.language(code).unconfirmed == len(fuzzy)
    assert i18n.choose(code).catalogue.gettext("Back") != "Back", "what is unconfirmed is used"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"LANG": "fr_CA.UTF-8"}, "fr"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANGUAGE": "de:sw", "LANG": "en_US.UTF-8"}, "sw"),
        ({"LC_ALL": "zh_TW.UTF-8", "LANG": "fr_FR"}, "zh"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_system(
    variables: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert translating.from_environment() == code


def test_plurals_and_numbers_follow_the_language() -> None:
    i18n.choose("ar")
    rows = [i18n.ngettext("{count} row", "{count} rows", count) for count in (1, 2, 5, 11, 100)]
    assert len(set(rows)) == 5
    i18n.choose("fr")
    assert i18n.number(1234.5) == "1\u202f234,5"
    assert i18n.percent(0.5, digits=1).replace("\u202f", " ").replace("\xa0", " ") == "50,0 %"
    assert i18n.language_name("sw") == "swahili"
    assert i18n.language_name("pt-BR") == "portugais (BR)"
    assert i18n.language_name("xx-unknown") == "xx (unknown)"


async def test_the_language_changes_without_a_restart() -> None:
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert shown(pilot.app, "#artifacts-heading").strip() == "ARTIFACTS"
        await pilot.press("comma", "right", "right")
        await settle(pilot)
        assert "Réglages" in shown(pilot.app, "#crumbs")
        assert "fait par" not in shown(pilot.app, "#about")
        assert "machine" in shown(pilot.app, "#about"), "who made the translation is said"
        await pilot.press("escape")
        await settle(pilot)
        assert shown(pilot.app, "#artifacts-heading").strip() == "ARTEFACTS"
        assert "tient en mémoire" in shown(pilot.app, "#artifacts")
