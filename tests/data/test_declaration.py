"""Which text of the Declaration judges a language, and that its letters are never cut away."""

from __future__ import annotations

import pytest
import regex

from edgekit.data import declaration
from edgekit.steps.trim_vocab.vocabulary import languages


@pytest.mark.parametrize(
    ("language", "file"),
    [
        ("pt-BR", "pt-br"), ("pt", "pt-br"), ("pt-PT", "pt"), ("zh-CN", "zh"), ("zh-TW", "zh-hant"),
        ("sr", "sr"), ("sr-Latn", "sr-latn"), ("no", "nb"), ("en_GB", "en"), ("ml", "ml"),
    ],
)  # fmt: skip
def test_each_tag_finds_its_text(language: str, file: str) -> None:
    wanted = (declaration.FOLDER / f"{file}.txt").read_text("utf-8").splitlines()
    assert declaration.paragraphs(language) == wanted


def test_a_language_that_is_not_here_has_none() -> None:
    assert declaration.paragraphs("tlh") == []


def test_every_text_is_whole_and_in_its_script() -> None:
    for path in sorted(declaration.FOLDER.glob("*.txt")):
        text = path.read_text("utf-8")
        letters = languages.letters(languages.scripts(path.stem))
        share = len(regex.findall(rf"[{letters}]", text)) / len(regex.findall(r"\p{L}|\p{M}", text))
        assert share > 0.7, path.name
        assert len(text.splitlines()) >= 50, path.name
    assert (declaration.FOLDER / "LICENSE").is_file()


@pytest.mark.parametrize("language", ["zh-CN", "ja", "ko"])
def test_frequent_letters_spell_texts_that_they_do_not_know(language: str) -> None:
    frequent = languages.frequent_letters(language, coverage=0.9995)
    text = " ".join(declaration.paragraphs(language))
    large = regex.findall(rf"[{languages.letters(languages.LARGE)}]", text)
    assert sum(letter not in frequent for letter in large) <= 0.0005 * len(large)
