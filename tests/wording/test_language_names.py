"""Languages by their names: whoever reads a warning need not know what `ary` is."""

from __future__ import annotations

from edgekit_tui import i18n
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from edgekit.wording.language_names import language_name

NO_LANGUAGE = {"zxx"}


def test_every_language_that_can_be_detected_has_a_name() -> None:
    codes = set(LanguageIdentifier.from_model_file(MODEL_FILE).nb_classes) - NO_LANGUAGE
    assert len(codes) > 100
    assert {code for code in codes if language_name(code) == code} == set()
    i18n.choose("en")
    assert {code for code in codes if i18n.language_name(code) == code} == set()


def test_a_region_is_said_and_an_unknown_code_is_its_own_name() -> None:
    assert language_name("pt-BR") == "Portuguese (BR)"
    assert language_name("xx") == "xx"
