"""Personal data goes, in the digits of every script; everything else stays as it was."""

from __future__ import annotations

import importlib.util
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import MissingExtra
from edgekit.masking.folding import fold
from edgekit.masking.mask import mask

pytest.importorskip("stdnum")
pytest.importorskip("phonenumbers")

# The first digit of some scripts: Arabic-Indic, Persian, Devanagari, Bengali, Thai, full-width and
# mathematical ones.
ZEROS = "0٠۰०০๐０𝟎"

# Made-up, from ranges for fiction and documentation, or with a checksum that was computed.
HIDDEN = [
    ("en", "Write to amina.o'neil+school@mail.example.org.", "Write to [e-mail]."),
    ("en", "Call (212) 555-0123 after five", "Call [phone] after five"),
    ("en", "ring 020 7946 0958, or +44 20 7946 0959", "ring [phone], or [phone]"),
    ("en", "my card is 4111-1111-1111-1111, 12/26", "my card is [card], 12/26"),
    ("en", "NHS 943 476 5919", "NHS [phone]"),  # ten digits as an American phone has them
    ("en", "SIN 123 456 782.", "SIN [number]."),
    ("fr", "mon numéro : 06 12 34 56 78", "mon numéro : [phone]"),
    ("fr", "NIR 1 84 12 76 451 089 46", "NIR [number]"),
    ("fr", "IBAN FR14 2004 1010 0505 0001 3M02 606 merci", "IBAN [IBAN] merci"),
    ("es", "Mi DNI es 12345678Z, NIE X1234567L", "Mi DNI es [number], NIE [number]"),
    ("es", "llámame al 612 345 678", "llámame al [phone]"),
    ("es", "CURP BOXW310820HNERXN09", "CURP [number]"),
    ("pt", "CPF 390.533.447-05 ou 39053344705", "CPF [number] ou [number]"),
    ("pt", "ligue (11) 91234-5678", "ligue [phone]"),
    ("ar", "بطاقتي ٤١١١ ١١١١ ١١١١ ١١١١ شكرا", "بطاقتي [card] شكرا"),
    ("ar", "اتصل ‎+٢٠ ١٠٠ ١٢٣ ٤٥٦٧ غدا", "اتصل ‎[phone] غدا"),
    ("ar", "رقمي ٠١٠٠١٢٣٤٥٦٧", "رقمي [phone]"),
    ("ar", "راسلني على ليلى@مثال.مصر", "راسلني على [e-mail]"),
    ("hi", "मेरा आधार २३४१ २३४१ २३४६ है", "मेरा आधार [number] है"),
    ("hi", "फ़ोन ९८७६५ ४३२१०", "फ़ोन [phone]"),
    ("bn", "ফোন ০১৭১২-৩৪৫৬৭৮", "ফোন [phone]"),
    ("bn", "কার্ড ৪১১১১১১১১১১১১১১১।", "কার্ড [card]।"),
    ("id", "NIK 3171011708450001", "NIK [number]"),
    ("id", "WA 0812-3456-7890 ya", "WA [phone] ya"),
    ("sw", "nipigie +255 754 123 456 leo", "nipigie [phone] leo"),
    ("sw", "simu 0712 345678", "simu [phone]"),
    ("zh", "手机号13912345678，身份证11010519491231002X", "手机号[phone]，身份证[number]"),
    ("zh", "电话＋８６ １３９ １２３４ ５６７８", "电话[phone]"),
    ("zh", "邮箱：ｌｉ＠ｅｘａｍｐｌｅ．ｃｏｍ。", "邮箱：[e-mail]。"),
    ("de", "DE89370400440532013000", "[IBAN]"),
    ("pl", "PESEL 44051401359", "PESEL [number]"),
    ("tr", "kimlik 10000000146", "kimlik [number]"),
]  # fmt: skip

KEPT = [
    ("en", "on 2024-05-06 at 12:30 it cost 1,234,567.89"),
    ("en", "version 1.2.3.4, build 20240506, 192.168.100.200, port 8765"),
    ("en", "ISBN 978-3-16-148410-0; order 20240506123456; 1764529200 s"),
    ("en", "sha 4111111111111111a7f3c9d2 and 550e8400-e29b-41d4-a716-446655440000"),
    ("en", "a@b is no address, nor is @amina or 5 @ 3.50"),
    ("fr", "le 12/05/2024, 1 250 000 habitants, article 1382"),
    ("es", "entre 1990 y 2005 hubo 12.345.678 casos"),
    ("pt", "R$ 1.234.567,89 em 31/12/2025"),
    ("ar", "في ١٢ مايو ٢٠٢٤ الساعة ١٤:٣٠ بسعر ١٬٢٥٠"),
    ("hi", "१५ अगस्त १९४७, १२,३४,५६७ रुपये"),
    ("bn", "২১ ফেব্রুয়ারি ১৯৫২, ১,২৫,০০০ টাকা"),
    ("id", "Rp 1.250.000 pada 17-08-1945"),
    ("sw", "tarehe 9 Desemba 1961, shilingi 45,000"),
    ("zh", "２０２４年５月６日，共１２３４５６元，第12345678号"),
]


@pytest.mark.parametrize(("language", "text", "masked"), HIDDEN)
def test_it_is_masked(language: str, text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(("language", "text"), KEPT)
def test_it_is_kept(language: str, text: str) -> None:
    assert mask(text) == text


@given(st.text())
def test_any_text_is_masked_once_and_for_all(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked


@given(st.text(alphabet=st.characters(exclude_categories=("Nd", "Cs"), exclude_characters="@＠﹫")))
def test_without_digits_and_at_signs_nothing_changes(text: str) -> None:
    assert mask(text) == text


def luhn(digits: str) -> str:
    total = sum(
        sum(divmod(int(digit) * (1 + place % 2), 10))
        for place, digit in enumerate(f"0{digits[::-1]}")
    )
    return f"{digits}{-total % 10}"


@given(
    st.from_regex(r"\A[3456][0-9]{14}\Z"),
    st.sampled_from(ZEROS),
    st.sampled_from(["", " ", "-", " ", "‑"]),
    st.sampled_from(["", "\u200e", "\u200b"]),
)
def test_a_card_is_masked_in_every_script_and_grouping(
    digits: str, zero: str, between: str, unseen: str
) -> None:
    card = luhn(digits)
    groups = between.join(card[at : at + 4] for at in range(0, 16, 4))
    shown = "".join(
        chr(ord(zero) + int(sign)) + unseen if sign.isdigit() else sign for sign in groups
    )
    masked = mask(f"☎ lamp {shown}; song")
    assert masked in {f"☎ lamp {place}{unseen}; song" for place in ("[card]", "[number]")} | {
        f"☎ lamp {place}; song" for place in ("[card]", "[number]")
    }


@given(st.text(st.characters(categories=("L", "Zs")), max_size=20), st.integers(1, 999))
def test_what_stands_around_stays(word: str, number: int) -> None:
    assert mask(f"{word} {number} a@example.org {number}") == f"{word} {number} [e-mail] {number}"


def test_folding_keeps_the_places() -> None:
    text = "a ٤‎２ — ｂ"
    folded = fold(text)
    assert folded.text == "a 42 - b"
    assert [text[place] for place in folded.places] == ["a", " ", "٤", "２", " ", "—", " ", "ｂ"]
    assert folded.original(2, 4) == (2, 5)


def test_few_numbers_are_masked_by_chance() -> None:
    """The shares of docs/program.md, of random numbers that begin with no 0, in one group."""
    generator = random.Random(3)

    def share(length: int, count: int = 400) -> float:
        numbers = [str(generator.randrange(10 ** (length - 1), 10**length)) for _ in range(count)]
        return sum(mask(number) != number for number in numbers) / count

    assert share(7, 50) == share(8, 50) == 0
    assert share(9) < 0.35
    assert share(10) < 0.75
    for length in (11, 12, 13, 14, 15, 16, 17, 18, 19):
        assert share(length, 200) < 0.3


def test_a_missing_package_is_never_masked_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"edgekit\[pii\]"):
        mask("nothing in here")
