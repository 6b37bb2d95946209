"""What a header asks to be done to texts."""

from __future__ import annotations

import pytest

from edgekit.runtime.gguf.prepared import prepared


@pytest.mark.parametrize(
    ("text", "normalize", "prepend", "told"),
    [
        ("Cafe\u0301", "", "", "Cafe\u0301"),
        ("Cafe\u0301", "NFC", "", "Caf\u00e9"),
        ("one", "", " ", " one"),
        (" one", "", " ", " one"),
        ("\u2581one", "", " ", "\u2581one"),
        ("", "NFC", " ", ""),
    ],
)
def test_a_text_is_told_as_the_header_asks(
    text: str, normalize: str, prepend: str, told: str
) -> None:
    assert prepared(text, normalize=normalize, prepend=prepend) == told
