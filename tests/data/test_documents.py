"""Files that people have: what is read of them, and what is refused before it does harm."""

from __future__ import annotations

import zipfile
from pathlib import Path

import docx
import pytest

from edgekit.data import documents
from edgekit.data.documents import Document, read
from edgekit.data.sentences import flat, spans
from edgekit.errors import DataError
from edgekit.system.cancel import Cancelled
from tests.tiny.pdf import pdf


def epub(path: Path, *, package: str = "", encryption: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "OPS/book.opf",
            package
            or '<package><manifest><item id="b" href="two.xhtml"/><item id="a" href="on%65.xhtml"/>'
            '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        archive.writestr("OPS/one.xhtml", "<html><body><p>First chapter.</p></body></html>")
        archive.writestr("OPS/two.xhtml", "<html><body><p>Second chapter.</p></body></html>")
        if encryption:
            archive.writestr("META-INF/encryption.xml", encryption)
    return path


def test_plain_text_and_utf_16(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffHabari ya leo".encode())
    assert read(tmp_path / "a.txt") == Document("Habari ya leo")
    (tmp_path / "b.TXT").write_bytes("مرحبا".encode("utf-16"))
    assert read(tmp_path / "b.TXT").text == "مرحبا"


def test_another_encoding_is_guessed_and_said(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes("Der Käse und das Brötchen sind schon aufgegessen".encode("cp1252"))
    found = read(path)
    assert found.text == "Der Käse und das Brötchen sind schon aufgegessen"
    assert found.warnings == (
        "Read as Windows-1252, Western Europe, a guess: see whether its letters are right.",
    )
    assert read(path, encoding="cp1251").text.startswith("Der Kдse")
    assert read(path, encoding="cp1251").warnings == ()
    with pytest.raises(DataError, match=r"c.txt:1: a letter after 'Der K' cannot be read as UTF-8"):
        read(path, encoding="utf-8")


def test_markdown_loses_its_signs(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "# Title\n\nSome **bold** and [a link](http://x.y).\n\n```\ncode()\n```\n"
        "\n> said\n\n- entry\n"
    )
    assert read(path).text.split("\n\n") == [
        "Title",
        "Some bold and a link.",
        "\nsaid",
        "- entry\n",
    ]


def test_html_is_what_a_reader_sees(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<html><head><title>T</title><style>p{}</style></head><body><script>bad()</script>"
        "<p>One &amp;\n <b>two</b>.<p>Three.<br>Four<ul><li>Five</ul></body>"
    )
    assert read(path).text == "One & two.\n\nThree.\nFour\n\nFive"


def test_a_pdf_has_pages(tmp_path: Path) -> None:
    found = read(pdf(tmp_path / "a.pdf", ["First page.", "", "Third page."]))
    assert [found.page(found.text.index(word)) for word in ("First", "Third")] == [1, 3]
    assert found.warnings == (
        "1 of 3 pages have no text (pictures, or nothing) and were not read.",
    )
    assert read(pdf(tmp_path / "b.pdf", ["Whole."])).warnings == ()


def test_the_pages_of_a_pdf_are_counted_while_it_is_read_and_reading_can_stop(
    tmp_path: Path,
) -> None:
    path = pdf(tmp_path / "a.pdf", ["One.", "Two.", "Three."])
    told: list[tuple[int, int]] = []
    read(path, on_page=lambda done, pages: told.append((done, pages)))
    assert told == [(0, 3), (1, 3), (2, 3)]

    def stop(done: int, pages: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        read(path, on_page=stop)


def test_a_sentence_goes_on_across_the_pages_of_a_pdf(tmp_path: Path) -> None:
    # A head that runs through the pages, two lines, and the rest of the sentence.
    pages = [
        f"Water of the north - {number}) Tj 0 -20 Td (In {name} the rain has filled the rivers of "
        f"the land) Tj 0 -20 Td (with so much water that every well in the town of {name}"
        for number, name in enumerate(("Abo", "Bura", "Cole"))
    ]
    pages.append("gives more than before.")
    found = read(pdf(tmp_path / "a.pdf", pages))
    sentences = [flat(found.text[one.start : one.end]) for one in spans(found.text)]
    assert sentences[-1] == (
        "In Cole the rain has filled the rivers of the land with so much water that every well in "
        "the town of Cole gives more than before."
    )
    assert found.page(found.text.index("gives more")) == 4


def test_a_pdf_of_pictures_is_said_to_have_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text in it.*OCR"):
        read(pdf(tmp_path / "a.pdf", ["", ""]))


def test_an_encrypted_pdf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="asks for a password"):
        read(pdf(tmp_path / "a.pdf", ["Secret."], password="x"))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4\n", b"no pdf at all", b"%PDF-1.7\n1 0 obj\n<<"])
def test_a_damaged_pdf_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.pdf"):
        read(tmp_path / "a.pdf")


def test_a_word_file_in_its_order(tmp_path: Path) -> None:
    written = docx.Document()
    written.add_paragraph("Before.")
    table = written.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    written.add_paragraph("After.")
    written.save(str(tmp_path / "a.docx"))
    assert read(tmp_path / "a.docx").text == "Before.\n\nleft | right\n\nAfter."


def test_a_book_in_reading_order(tmp_path: Path) -> None:
    assert read(epub(tmp_path / "a.epub")).text.split() == [
        "First",
        "chapter.",
        "Second",
        "chapter.",
    ]


@pytest.mark.parametrize("suffix", [".docx", ".epub"])
def test_a_zip_bomb_is_not_opened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 60_000_000)
    with pytest.raises(DataError, match="would unpack to 60 MB"):
        read(path)


def test_entities_and_locks_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'
    with pytest.raises(DataError, match="entities"):
        read(epub(tmp_path / "a.epub", package=bomb))
    locked = '<encryption><EncryptionMethod Algorithm="http://x#aes128"/></encryption>'
    with pytest.raises(DataError, match="locked"):
        read(epub(tmp_path / "b.epub", encryption=locked))
    fonts = locked.replace("http://x#aes128", "http://www.idpf.org/2008/embedding")
    assert "First" in read(epub(tmp_path / "c.epub", encryption=fonts)).text


@pytest.mark.parametrize("suffix", [".docx", ".epub"])
def test_what_is_no_zip_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(DataError, match="not a whole"):
        read(tmp_path / f"a{suffix}")
    with zipfile.ZipFile(tmp_path / f"b{suffix}", "w") as archive:
        archive.writestr("else", "x")
    with pytest.raises(DataError, match="this is no"):
        read(tmp_path / f"b{suffix}")


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no kind of text"):
        read(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="No such file"):
        read(tmp_path / "a.txt")
    with pytest.raises(DataError, match="no text in it"):
        documents.from_text(" \n")
