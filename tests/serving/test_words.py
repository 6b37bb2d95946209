"""What a masked log holds: no number of anybody's, whole or cut, and no more than is stated."""

from __future__ import annotations

import json

from edgekit.serving import words

PHONE = "+254 712 345 678"


def test_texts_numbers_and_keys_are_masked() -> None:
    given = {
        "a": [f"call {PHONE}", 7, 2.5, None, True],
        "asha@example.org": {"number": 4111111111111111},
    }
    assert words.masked(given) == {
        "a": ["call [phone]", 7, 2.5, None, True],
        "[e-mail]": {"number": "[card]"},
    }
    arabic = "اتصل ٠١٠٠١٢٣٤٥٦٧"
    assert words.masked(arabic) == "اتصل [phone]"


def test_no_number_is_cut_in_two() -> None:
    for most in range(1, 60):
        kept = words.cut(f"one two {PHONE} and GB29 NWBK 6016 1331 9268 19 end of it", most)
        assert len(kept) <= most
        assert not kept or kept in (
            "one", "one two", f"one two {PHONE} and",
            f"one two {PHONE} and GB29 NWBK 6016 1331 9268 19 end",
            f"one two {PHONE} and GB29 NWBK 6016 1331 9268 19 end of",
        )  # fmt: skip
    assert words.cut("lamp", 4) == "lamp"
    assert words.cut(f"write asha@example.org {'x' * 9}", 20) == ""
    assert words.cut("0712345678" * 9, 12) == ""


def test_what_is_too_much_is_left_out_and_said() -> None:
    long = "word " * 3000
    said = words.masked(long)
    assert said.endswith(words.LEFT_OUT)
    assert 1900 < len(said) <= words.MOST_CHARACTERS + len(words.LEFT_OUT)
    many = words.masked({"data": [{"embedding": [0.5] * 384} for _ in range(50)]})
    assert len(json.dumps(many)) < 5000
    assert words.LEFT_OUT in json.dumps(many, ensure_ascii=False)
    texts = words.masked(["word " * 300] * 9)
    assert sum(map(len, texts)) < words.MOST_CHARACTERS + 9 * len(words.LEFT_OUT)
