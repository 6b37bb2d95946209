from __future__ import annotations

from edgekit.wording import directions
from edgekit.wording.language_codes import normal
from edgekit.wording.language_names import language_name


def test_a_direction_is_one_name_for_two_languages() -> None:
    assert directions.direction("en", "pt-BR") == "en→pt-BR"
    assert directions.split("en→pt-BR") == ("en", "pt-BR")
    assert directions.split("en-fr") is None
    assert directions.split("en→") is None
    assert directions.languages(["en→fr", "fr→en", "sw"]) == ["en", "fr", "sw"]


def test_it_is_spelt_and_named_as_its_languages_are() -> None:
    assert normal("EN→pt_br") == "en→pt-BR"
    assert language_name("en→pt-BR") == "English → Portuguese (BR)"
