"""Fetches Debian's package descriptions in many languages through apt, in a private folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import apt

ENGLISH = "en"
_FILE = re.compile(r".*_i18n_Translation-([A-Za-z_]+|[a-z]+%5f[A-Z]+)")
_FIELD = re.compile(r"([A-Za-z0-9_-]+): ?(.*)")


@dataclass(frozen=True, slots=True)
class Description:
    """What a package is, in a line and at length."""

    package: str
    language: str
    short: str
    long: str


def fetch(folder: Path, languages: Sequence[str]) -> list[Path]:
    """apt's lists for these languages, whose signatures apt has checked.

    The system's own lists stay as they are. Raises SampleError where there is no apt or it fails.
    """
    if shutil.which("apt-get") is None:
        raise SampleError(
            "This sample is made of package descriptions that apt fetches, and there is no apt-get "
            "here; make it on Debian or Ubuntu and copy the folder."
        )
    options = apt.private(
        folder,
        {
            "Acquire::Languages": ",".join(name.replace("-", "_") for name in languages),
            # Uncompressed.
            "Acquire::GzipIndexes": "false",
        },
    )
    done, lists = apt.run(options, ["update"], folder), folder / "lists"
    found = sorted(path for path in lists.iterdir() if _FILE.fullmatch(path.name))
    if done.returncode != 0 or not found:
        reason = apt.last_error(done) if done.returncode else "it found no translated descriptions"
        raise SampleError(
            f"apt-get could not fetch the package descriptions ({reason}); look at its sources "
            "and at the network, and try again."
        )
    return found


def read(paths: Sequence[Path]) -> Iterator[Description]:
    """Every description in the lists, each package once per language."""
    seen: set[tuple[str, str]] = set()
    for path in paths:
        # apt encodes the name as part of a URL.
        match = _FILE.fullmatch(path.name.replace("%5f", "_"))
        if match is None:
            continue
        language = match[1].replace("_", "-")
        for found in parse(path.read_text(encoding="utf-8", errors="replace"), language):
            if (found.package, language) not in seen:
                seen.add((found.package, language))
                yield found


def parse(text: str, language: str) -> Iterator[Description]:
    """The stanzas of one list; descriptions follow Debian Policy, section 5.6.13."""
    for stanza in text.split("\n\n"):
        package, short = "", ""
        body: list[str] = []
        for line in stanza.splitlines():
            match = None if line[:1].isspace() else _FIELD.fullmatch(line)
            if match is None:
                body.append(line)
            elif match[1] == "Package":
                package = match[2]
            elif match[1].startswith("Description-") and match[1] != "Description-md5":
                short = match[2].strip()
        if package and short and body:
            yield Description(package, language, short, _joined(body))


def _joined(lines: Sequence[str]) -> str:
    """Puts each paragraph on one line; verbatim lines stay lines."""
    text = ""
    for line in lines:
        content = line[1:]
        if content.strip() in ("", "."):
            text += "\n"
        elif content[:1].isspace() or not text or text.endswith("\n"):
            text += ("" if not text or text.endswith("\n") else "\n") + content.strip()
        else:
            text += " " + content.strip()
    return text.strip()
