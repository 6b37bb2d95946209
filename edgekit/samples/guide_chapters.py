"""The sample `guide-chapters`: which chapter of Debian's installation guide a paragraph is from.

Decides which paragraphs there are and in which set; guide.py reads the pages, apt.py fetches them.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from edgekit.errors import SampleError
from edgekit.samples import Progress, apt, e5_small, folder, guide, variants
from edgekit.samples.apt import DebianPackage
from edgekit.samples.splits import TEST, TRAIN, VALIDATION, Example
from edgekit.system import paths

NAME = "guide-chapters"
VERSION = 1
SEED = 7
RECIPES = {"recipe.yaml": NAME}
"""The files in the sample's folder, and the shipped recipe that each copies."""
WINDOW = 256
"""Tokens that every recipe of the sample reads at once."""

GUIDE = DebianPackage(
    "installation-guide-amd64",
    "20230508+deb12u1",
    "812c43e1dc906daf671e3efe953dc023205c238e5bd5a3021ce4ca142793573a",
)
SOURCE = "en"
LANGUAGES = ("da", "de", "el", "en", "es", "fr", "it", "ja", "nl", "pt", "ru", "zh-CN")
CHAPTERS = {
    "apa": "howto",
    "apb": "preseeding",
    "apc": "partitioning",
    "apd": "random-bits",
    "ch01": "welcome",
    "ch02": "requirements",
    "ch03": "before-installing",
    "ch04": "media",
    "ch05": "booting",
    "ch06": "installer",
    "ch07": "first-boot",
    "ch08": "next-steps",
}
"""The label of each chapter's pages. Left out are two appendices: Administrivia, too short to be
learnt, and the licence, which is English in all languages."""
LENGTHS = range(200, 1501)
"""Characters of the English paragraph."""
TRANSLATED = range(60, 1501)
"""Characters of a translation: Chinese says in a third of them what English does."""
SHARES = {TEST: 0.45, VALIDATION: 0.1}
"""Parts of each label's paragraphs; the rest trains. The test set must be large for a verdict on
every language."""

_PAGE = re.compile(
    r"usr/share/doc/[^/]+/(?P<language>\w+)/(?P<page>(?P<chapter>ap.|ch..)\w*\.html)"
)
_COPYRIGHT = "copyright"
_LICENCE_PAGE = "apf.html"

Pages = Mapping[tuple[str, str], str]
"""HTML by language and name of the page."""


def make(target: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `target` with `encoder/`, `data/` and recipes; a complete one is left as it is.

    Raises SampleError where a package is not available or `target` holds other files.
    """

    def write(partial: Path, tell: Progress) -> None:
        tell("fetching the guide", 0.0)
        package = apt.fetch(GUIDE)
        tell("reading the guide", 0.2)
        pages, licence = read(apt.members(package))
        _write_data(partial / "data", make_sets(pages), licence)
        tell("fetching the encoder", 0.3)
        e5_small.make(
            partial / "encoder",
            on_fraction=lambda fraction: tell("writing the encoder", 0.5 + 0.4 * fraction),
        )
        variants.write(partial, NAME, languages=LANGUAGES, more={"max_tokens": WINDOW})

    return folder.make(
        target, write, sample=NAME, version=VERSION, recipes=RECIPES, on_progress=on_progress
    )


def read(members: Iterable[tuple[str, bytes]]) -> tuple[dict[tuple[str, str], str], str]:
    """The pages in LANGUAGES, and the guide's licence: its notice and the text of the GPL."""
    pages: dict[tuple[str, str], str] = {}
    notice = ""
    for name, content in members:
        match = _PAGE.fullmatch(name)
        language = match["language"].replace("_", "-") if match else ""
        if match and language in LANGUAGES:
            pages[language, match["page"]] = content.decode("utf-8")
        elif PurePosixPath(name).name == _COPYRIGHT:
            notice = content.decode("utf-8")
    if not notice or (SOURCE, _LICENCE_PAGE) not in pages:
        raise SampleError(
            f"{GUIDE.filename} holds no pages in English or no licence; remove it from "
            f"{paths.packages_dir()} and make the sample again."
        )
    terms = guide.read(pages[SOURCE, _LICENCE_PAGE]).paragraphs
    return pages, "\n\n".join([notice.strip(), *filter(None, terms)]) + "\n"


def make_sets(pages: Pages, *, seed: int = SEED) -> dict[str, list[Example]]:
    """The rows of the training, validation and test set.

    A paragraph is in one set in all languages, and no text is in two.
    """
    sets: dict[str, list[Example]] = {TRAIN: [], VALIDATION: [], TEST: []}
    by_label: defaultdict[str, list[list[Example]]] = defaultdict(list)
    for rows in paragraphs(pages):
        by_label[rows[0].label].append(rows)
    for label, members in sorted(by_label.items()):
        random.Random(f"{seed} {label}").shuffle(members)
        tests, validations = (round(SHARES[name] * len(members)) for name in (TEST, VALIDATION))
        parts = (members[:tests], members[tests:][:validations], members[tests + validations :])
        for name, part in zip((TEST, VALIDATION, TRAIN), parts, strict=True):
            sets[name] += [row for rows in part for row in rows]
    # Shuffled, so that the first rows of a file are like the others.
    return {name: random.Random(seed).sample(rows, len(rows)) for name, rows in sets.items()}


def paragraphs(pages: Pages) -> list[list[Example]]:
    """The translations of each paragraph, the English first; no text twice.

    A paragraph's place on its page says what translates it, so a translated page that is built
    otherwise than the English one is left out.
    """
    read = {key: guide.read(html) for key, html in pages.items()}
    found: list[list[Example]] = []
    seen: set[str] = set()
    for language, name in sorted(read):
        label = next((said for start, said in CHAPTERS.items() if name.startswith(start)), None)
        if language != SOURCE or label is None:
            continue
        source = read[SOURCE, name]
        alike = [
            (other, page)
            for other in LANGUAGES
            if (page := read.get((other, name))) and page.skeleton == source.skeleton
        ]
        for place, english in enumerate(source.paragraphs):
            if len(english) not in LENGTHS or english in seen:
                continue
            group = f"{name.removesuffix('.html')}-{place}"
            rows = [Example(english, label, SOURCE, group)]
            rows += [
                Example(text, label, other, group)
                for other, page in alike
                if (text := page.paragraphs[place]) not in seen
                and len(text) in TRANSLATED
                and text != english
            ]
            seen.update(row.text for row in rows)
            found.append(rows)
    return found


def _write_data(target: Path, sets: Mapping[str, Sequence[Example]], licence: str) -> None:
    folder.write_sets(target, sets, columns=("text", "label", "language", "group"))
    (target / "README.md").write_text(_readme(sets), encoding="utf-8")
    (target / "LICENSE").write_text(licence, encoding="utf-8")


def _readme(sets: Mapping[str, Sequence[Example]]) -> str:
    def line(name: str, rows: Sequence[Example]) -> str:
        groups = len({one.group for one in rows})
        counts = Counter(one.language for one in rows)
        listed = ", ".join(f"{language} {counts[language]}" for language in sorted(counts))
        return f"- `{name}.csv`: {len(rows)} rows, {groups} paragraphs ({listed})"

    counts = Counter(row.label for rows in sets.values() for row in rows)
    return _README.format(
        pin=GUIDE.pin,
        sizes="\n".join(line(name, rows) for name, rows in sets.items()),
        labels=", ".join(f"{label} {count}" for label, count in counts.most_common()),
        least=LENGTHS[0],
        most=LENGTHS[-1],
        shortest=TRANSLATED[0],
    )


_README = """\
# Paragraphs of Debian's installation guide, by chapter

Made from the Debian package `{pin}`, the Debian GNU/Linux Installation Guide and its translations
(copyright: the Debian Installer team and others; GNU General Public License, version 2, see
LICENSE). These rows are under the same licence.

Columns: `text` (a paragraph), `label` (its chapter), `language`, `group` (its place in the guide,
the same in all languages).

{sizes}

Rows of each label: {labels}.

A paragraph is used whose English has {least} to {most} characters; translations have {shortest} to
{most}. The sets are divided by paragraph: no translation of a paragraph that tests was learnt from.
Left out are pages that are built otherwise than the English ones, paragraphs left in English and
repetitions.

Read the results with care. Chapters speak of the same things: booting is written of in three of
them, so nobody could name the chapter of every paragraph. A third of the rows are of one chapter.
The translations of a paragraph are right or wrong together, so the test set says less than its rows
let expect: resample whole groups.
"""
