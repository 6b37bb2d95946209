from __future__ import annotations

from edgekit.system.cancel import Cancel
from edgekit.tasks.translation import sentences
from edgekit.tasks.translation.engine import translated


class Loud:
    """Translates into capitals, and reads ten letters at once."""

    def __init__(self, cancel: Cancel | None = None, *, after: int = 0) -> None:
        self.cancel, self.after, self.answered = cancel, after, 0

    def windows(self, text: str) -> list[list[int]]:
        letters = [ord(letter) for letter in text]
        return [letters[at : at + 10] for at in range(0, len(letters), 10)]

    def answer(self, ids: list[int]) -> str:
        self.answered += 1
        if self.cancel is not None and self.answered == self.after:
            self.cancel.set()
        return "".join(map(chr, ids)).upper().strip()


def said(text: str, target: str = "fr") -> str:
    return translated(Loud(), text, source="en", target=target).text


def test_lines_paragraphs_and_what_has_no_letters_stay() -> None:
    text = "\n# Aa bb.\n\nCc dd. Ee ff!\n  - gg\n 12.5 %\n\n---\t\n"
    assert said(text) == text.upper()


def test_lines_broken_at_a_margin_become_one_sentence() -> None:
    line = "it goes on and on until the margin is reached and"
    found = said(f"{line}\nthe next line goes on with the very same sentence.\n")
    assert found.count("\n") == 1


def test_languages_without_spaces_get_none_between_sentences() -> None:
    assert said("Aa bb. Cc dd.", target="ja") == "AA BB.CC DD."
    assert said("Aa bb. Cc dd.\nEe ff.", target="zh-CN") == "AA BB.CC DD.\nEE FF."
    # And from such a language, there is one.
    assert said("甲a。乙b。") == "甲A。 乙B。"


def test_pieces_of_a_long_sentence_are_counted_and_joined() -> None:
    found = translated(Loud(), "aaaaaaaaa bbbbbbbbb ccc", source="en", target="fr")
    assert (found.text, found.parts_read, found.parts) == ("AAAAAAAAA BBBBBBBBB CCC", 3, 3)


def test_what_was_translated_before_it_was_cancelled_is_kept() -> None:
    cancel = Cancel()
    text = "Aa bb. Cc dd. Ee ff. Gg hh."
    found = translated(Loud(cancel, after=2), text, source="en", target="fr", cancel=cancel)
    assert found.cancelled
    assert (found.text, found.parts_read, found.parts) == ("AA BB. CC DD.", 2, 4)


def test_an_empty_text_has_no_parts() -> None:
    found = translated(Loud(), " \n ", source="en", target="fr")
    assert (found.text, found.parts) == (" \n ", 0)
    assert sentences.cut("") == ([], "")
