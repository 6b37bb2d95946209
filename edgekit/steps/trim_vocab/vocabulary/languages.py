"""What a language tag means for words and letters: its script, its word list. Knows no tokenizer.

Word lists are those of wordfreq (Speer 2022), which counts many kinds of everyday text.
"""

from __future__ import annotations

import functools
import gzip
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import langcodes
import msgpack
import regex
import wordfreq


@dataclass(frozen=True, slots=True)
class Reach:
    """How far down a word list to look."""

    running_words: float
    """Share of the running words; a language with many word forms needs more of them."""
    most_words: int


FREQUENT = Reach(0.9, 45_000)
# Any word may begin a sentence or a name; in these languages every noun has a capital.
CAPITALISED = 0.15
CAPITALISED_NOUNS = {"de": 0.4, "lb": 0.4}
# Rare words with a capital consist of the same pieces as frequent ones.
CAPITALISED_WORDS = 8_000

# Scripts written without spaces: a word there has no space before it.
UNSPACED = frozenset({"Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"})
# Scripts of thousands of letters, of which a language uses only some.
LARGE = frozenset({"Hani", "Hang"})
_CASED = frozenset({"Latn", "Cyrl", "Grek", "Armn"})
_SCRIPTS = {
    "Jpan": ("Hani", "Hira", "Kana"), "Kore": ("Hang",), "Hans": ("Hani",), "Hant": ("Hani",),
}  # fmt: skip
# wordfreq keeps one list for languages that are written nearly alike.
_LISTS = {
    "no": "nb", "nn": "nb", "hr": "sh", "bs": "sh", "sr": "sh", "tl": "fil", "yue": "zh",
}  # fmt: skip
_CYRILLIC = {
    "lj": "љ", "nj": "њ", "dž": "џ", "a": "а", "b": "б", "v": "в", "g": "г", "d": "д", "đ": "ђ",
    "e": "е", "ž": "ж", "z": "з", "i": "и", "j": "ј", "k": "к", "l": "л", "m": "м", "n": "н",
    "o": "о", "p": "п", "r": "р", "s": "с", "t": "т", "ć": "ћ", "u": "у", "f": "ф", "h": "х",
    "c": "ц", "č": "ч", "š": "ш",
}  # fmt: skip
_LATIN = regex.compile("|".join(_CYRILLIC))
# A simplified word has several traditional spellings; rarely are more than this many right.
SPELLINGS = 4


@functools.cache
def scripts(language: str) -> tuple[str, ...]:
    """Unicode's four-letter codes of the scripts that a language is written in."""
    script = _tag(language).script or "Latn"
    return _SCRIPTS.get(script, (script,))


@functools.cache
def _tag(language: str) -> langcodes.Language:
    return langcodes.Language.get(language).maximize()


def letters(names: Iterable[str]) -> str:
    """The contents of a regular expression's brackets for the letters of some scripts."""
    return "".join(rf"\p{{Script={name}}}" for name in sorted(names))


def is_unspaced(language: str) -> bool:
    return bool(UNSPACED & set(scripts(language)))


def words(language: str, reach: Reach = FREQUENT) -> dict[str, float]:
    """The most frequent words of a language, as they appear in running text, with their shares.

    Empty where no list is known.
    """
    found: dict[str, float] = {}
    covered = 0.0
    for word, share in itertools.islice(_listed(language), reach.most_words):
        if covered >= reach.running_words:
            break
        found[word] = found.get(word, 0.0) + share
        covered += share
    return _as_in_texts(found, language)


def frequent_letters(language: str, *, coverage: float) -> set[str]:
    """Letters of large scripts that cover this share of a language's words; empty without a list.

    `coverage` is the share of the running letters.
    """
    pattern = regex.compile(f"[{letters(LARGE)}]")
    counts: Counter[str] = Counter()
    for word, share in _listed(language):
        for letter in pattern.findall(word):
            counts[letter] += share  # type: ignore[assignment]
    found: set[str] = set()
    covered, total = 0.0, sum(counts.values())
    for letter, share in counts.most_common():
        if covered >= coverage * total:
            break
        found.add(letter)
        covered += share
    return found


def _listed(language: str) -> Iterator[tuple[str, float]]:
    """A list's words and shares, most frequent first. wordfreq itself would keep it in memory."""
    tag = _tag(language)
    code = tag.language or language
    name = _LISTS.get(code, code)
    path = wordfreq.available_languages("best").get(name)
    if path is None:
        return
    for centibels, bucket in enumerate(wordfreq.read_cBpack(str(path))):
        for word in sorted(bucket):
            if any(letter.isdigit() for letter in word):
                continue
            spellings = _spellings(word, tag)
            for spelling in spellings:
                yield spelling, 10 ** (-centibels / 100) / len(spellings)


def _spellings(word: str, tag: langcodes.Language) -> list[str]:
    """A word's spellings; the lists have Serbian in Latin letters and Chinese in simplified."""
    if tag.language == "sr" and tag.script == "Cyrl":
        return [_LATIN.sub(lambda found: _CYRILLIC[found[0]], word)]
    if tag.script == "Hant":
        variants = _traditional()
        found = itertools.product(*(variants.get(letter, [letter]) for letter in word))
        return ["".join(one) for one in itertools.islice(found, SPELLINGS)]
    return [word]


@functools.cache
def _traditional() -> Mapping[str, list[str]]:
    """The traditional letters that each simplified one stands for, itself if it is one of them."""
    path = Path(wordfreq.__file__).parent / "data" / "_chinese_mapping.msgpack.gz"
    with gzip.open(path) as stream:
        simplified = msgpack.load(stream, raw=False, strict_map_key=False)
    variants: dict[str, list[str]] = defaultdict(list)
    for code, letter in sorted(simplified.items()):
        if len(letter) == 1:
            variants[letter].append(chr(code))
    return variants


def _as_in_texts(found: Mapping[str, float], language: str) -> dict[str, float]:
    """Words after a space, and where the script has case, also capitalised."""
    if is_unspaced(language):
        return dict(found)
    shares = {f" {word}": share for word, share in found.items()}
    if not _CASED & set(scripts(language)):
        return shares
    capital = CAPITALISED_NOUNS.get(_tag(language).language or "", CAPITALISED)
    for word in itertools.islice(found, CAPITALISED_WORDS):
        title = f" {word[0].upper()}{word[1:]}"
        if title not in shares:
            shares[title] = capital * found[word]
            shares[f" {word}"] -= capital * found[word]
    return shares
