from __future__ import annotations

import langcodes
import pytest

from edgekit.wording.language_codes import normal

SPELT = {
    "pt_BR": "pt-BR",
    "PT-br": "pt-BR",
    "en_US": "en-US",
    "zh_hans": "zh-Hans",
    "ZH-HANT-tw": "zh-Hant-TW",
    "sr-latn": "sr-Latn",
    "es-419": "es-419",
    "de_CH_1901": "de-CH-1901",
    "fil": "fil",
    " EN ": "en",
}


@pytest.mark.parametrize(("given", "wanted"), SPELT.items())
def test_a_code_has_one_spelling(given: str, wanted: str) -> None:
    assert normal(given) == wanted
    assert normal(wanted) == wanted
    # The same form as a library of language tags has it.
    assert langcodes.standardize_tag(given.strip().replace("_", "-"), macro=False) == wanted


@pytest.mark.parametrize("given", ["", "English (US)", "en_US.UTF-8", "x"])
def test_what_is_no_code_stays(given: str) -> None:
    assert normal(given) == given
