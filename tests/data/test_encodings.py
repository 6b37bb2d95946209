"""Every encoding of an office is read letter for letter, or the place is named."""

from __future__ import annotations

from io import BytesIO

import pytest

from edgekit.data import encodings
from edgekit.data.encodings import Encoding
from edgekit.errors import DataError

WRITTEN = {
    "cp1252": [
        "Größe der Küche ist schön", "Le café est fermé à cause de l'été", "El niño comió mañana",
        "A reunião foi adiada até amanhã", "Pasient; vondt i brystet siden i går",
        "Þetta er íslenska, góðan dag", "Hoitoa odottava potilas, päänsärkyä",
    ],
    "cp1250": ["Zażółć gęślą jaźń, proszę", "Pacjent zgłasza ból w klatce piersiowej od wczoraj",
               "Bolnik ima vročino že tri dni, prosim za pregled",
               "Árvíztűrő tükörfúrógép köszönöm szépen"],
    "cp1251": ["Привет, как дела? Встреча в пятницу", "Больному нужно назначить приём врача"],
    "cp1253": ["Καλημέρα, πώς είστε σήμερα;"],
    "cp1254": ["Toplantı yarın öğleden sonra yapılacak, teşekkürler",
               "Hastanın şikayeti göğüs ağrısı, dün akşamdan beri devam ediyor"],
    "cp1255": ["החולה מתלונן על כאבים בחזה מאז אתמול בערב"],
    "cp1256": ["مرحبا، كيف حالك اليوم؟ الموعد غدا صباحا", "المريض يشكو من ألم في الصدر"],
    "cp1257": ["Ačiū labai, šiandien gražus oras"],
    "cp874": ["สวัสดีครับ วันนี้อากาศดี"],
    "gb18030": ["你好，明天下午开会，请准时参加。", "病人咳嗽发烧三天"],
    "big5": ["你好，明天下午開會，請準時參加。"],
    "cp932": ["こんにちは、明日の会議は午後です。"],
    "cp949": ["안녕하세요, 내일 회의는 오후입니다."],
    "mac_roman": ["Le café est fermé à cause de l'été"],
}  # fmt: skip
CASES = [(codec, text) for codec, texts in WRITTEN.items() for text in texts]


@pytest.mark.parametrize(("codec", "text"), CASES)
@pytest.mark.parametrize("rows", [1, 20])
def test_what_is_not_utf_8_is_guessed_and_said_to_be_a_guess(
    codec: str, text: str, rows: int
) -> None:
    data = "".join(f"{row};{text};x\r\n" for row in range(rows)).encode(codec)
    found = encodings.found_in(BytesIO(data), "rows.csv")
    assert found.guessed
    assert encodings.text(BytesIO(data), found, "rows.csv") == data.decode(codec)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", ["a,b\nمرحبا,b\n", "plain\n", "你好\r\n"])
def test_unicode_is_certain(codec: str, text: str) -> None:
    stream = BytesIO(text.encode(codec))
    found = encodings.found_in(stream, "rows.csv")
    assert not found.guessed
    assert "".join(line for _, line in encodings.lines(stream, found, "rows.csv")) == text
    assert encodings.certain_in(stream, "rows.csv").title == found.title


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_bom_has_nuls_on_one_side(codec: str) -> None:
    stream = BytesIO("text,label\nمرحبا,你好\n".encode(codec))
    assert encodings.found_in(stream, "rows.csv") == Encoding(codec, guessed=True)


def test_a_letter_in_two_chunks_is_one() -> None:
    text = "a" * ((1 << 20) - 1) + "é" * 10 + "\n"
    assert encodings.found_in(BytesIO(text.encode()), "rows.csv") == encodings.UTF_8


def test_accents_late_in_a_long_file_are_found() -> None:
    text = "plain words\n" * 200_000 + "Der Käse und das Brötchen\n"
    found = encodings.found_in(BytesIO(text.encode("cp1252")), "rows.csv")
    assert found == Encoding("cp1252", guessed=True)


def test_a_broken_letter_is_named_with_its_line_and_what_stands_before_it() -> None:
    data = "schön, ".encode() * 5 + b"\ncaf\xe9\n"
    with pytest.raises(DataError, match=r"^a.csv:2: a letter after 'caf' cannot be read as UTF-8"):
        encodings.found_in(BytesIO(data), "a.csv")
    with pytest.raises(DataError, match=r"^a.csv:2: a letter after 'caf'"):
        encodings.certain_in(BytesIO(data), "a.csv")
    cut = BytesIO("plain\nschön".encode()[:-2])
    with pytest.raises(DataError, match=r"^a.csv"):
        list(encodings.lines(cut, encodings.UTF_8, "a.csv"))


def test_a_lone_carriage_return_ends_a_line() -> None:
    stream = BytesIO(b"a,b\rc,d\r\ne\n")
    found = list(encodings.lines(stream, encodings.UTF_8, "a.csv"))
    assert found == [(1, "a,b\r"), (2, "c,d\r\n"), (3, "e\n")]


def test_an_encoding_is_named_as_people_name_it() -> None:
    assert [encodings.named(name).codec for name in ("UTF8", "windows-1252", "Latin-1")] == [
        "utf-8-sig", "cp1252", "iso8859-1",
    ]  # fmt: skip
    for name in ("windows-9999", "base64", "rot13"):
        with pytest.raises(DataError, match="is no encoding"):
            encodings.named(name)
