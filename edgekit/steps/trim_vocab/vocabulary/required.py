"""Pieces that are never trimmed, and those that may stay. Counts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import regex

from edgekit.steps.trim_vocab.vocabulary import languages
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary

# Share of the running letters, for scripts with thousands of them.
LETTERS_COVERAGE = 0.9995


def unknown_script(vocabulary: Vocabulary, names: Sequence[str]) -> str | None:
    """A language none of whose letters the tokenizer knows; None if there is no such language."""
    if vocabulary.byte_level or vocabulary.bytes:
        return None
    for language in names:
        pattern = regex.compile(rf"[{languages.letters(languages.scripts(language))}]")
        if not any(pattern.search(token) for token in vocabulary.ids):
            return language
    return None


def required(vocabulary: Vocabulary, names: Sequence[str], own_texts: Iterable[str]) -> set[int]:
    """What exactness needs; the letters of the languages' scripts, or for large scripts those in
    the languages' word lists and the recipe's own texts; digits, punctuation, ASCII.
    """
    scripts = {script for name in names for script in languages.scripts(name)}
    kept = languages.letters(scripts - languages.LARGE)
    single = regex.compile(rf" ?[{kept}\p{{P}}\p{{Sc}}\p{{Sm}}\p{{Nd}}\p{{M}}\p{{ASCII}}]")
    frequent = _large_letters(names, own_texts)
    found = vocabulary.needed()
    for number in vocabulary.ids.values():
        text = vocabulary.spells(number)
        if text and (text == " " or single.fullmatch(text) or text.strip() in frequent):
            found.add(number)
    return vocabulary.closed(found)


def _large_letters(names: Sequence[str], own_texts: Iterable[str]) -> set[str]:
    pattern = regex.compile(rf"[{languages.letters(languages.LARGE)}]")
    found = {letter for text in own_texts for letter in pattern.findall(text)}
    for name in names:
        large = languages.LARGE & set(languages.scripts(name))
        if not large:
            continue
        frequent = languages.frequent_letters(name, coverage=LETTERS_COVERAGE)
        # Without a list all letters of the script stay.
        found |= frequent or set(regex.findall(rf"[{languages.letters(large)}]", _all_letters()))
    return found


def _all_letters() -> str:
    return "".join(
        map(chr, [*range(0x3400, 0xA000), *range(0xAC00, 0xD7A4), *range(0xF900, 0xFB00)])
    )


def candidates(vocabulary: Vocabulary, names: Sequence[str]) -> set[int]:
    """Pieces made only of the languages' scripts and what all scripts share."""
    scripts = {script for name in names for script in languages.scripts(name)}
    pattern = regex.compile(
        rf"[\s{languages.letters(scripts)}\p{{Script=Common}}\p{{Script=Inherited}}]*"
    )
    return {
        number
        for number in vocabulary.ids.values()
        if (text := vocabulary.spells(number)) is not None and pattern.fullmatch(text)
    }


def asked_for(vocabulary: Vocabulary, words: Iterable[str]) -> set[int]:
    """The pieces that a recipe names, and those of the words that it names."""
    found: set[int] = set()
    for word in words:
        if word in vocabulary.ids:
            found.add(vocabulary.ids[word])
        for text in (word, " " + word):
            found.update(vocabulary.tokenizer.encode(text, add_special_tokens=False).ids)
    return vocabulary.closed(found)
