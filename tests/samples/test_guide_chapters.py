"""Pages as the Debian package has them become paragraphs, aligned between their languages."""

from __future__ import annotations

import csv
import dataclasses
import io
import tarfile
from collections import defaultdict
from pathlib import Path

import pytest

from edgekit import samples
from edgekit.errors import SampleError
from edgekit.recipe import recipe
from edgekit.samples import apt, guide, guide_chapters
from edgekit.samples.guide_chapters import CHAPTERS, LANGUAGES
from edgekit.system import paths
from edgekit.system.digest import sha256_file

PARAGRAPHS = 20
COPYRIGHT = b"Copyright the Debian Installer team. GNU GPL, version 2.\n"


def page(language: str, name: str, *, paragraphs: int = PARAGRAPHS) -> str:
    """A navigation header, a heading, and long paragraphs with markup inside."""
    words = " ".join(f"{language}{name}" for _ in range(40))
    body = "".join(
        f"<p>\n\n{number} {words} <span class='command'><strong>gcc</strong></span>\n {language}"
        "<sup>[<a href='#ftn'>1</a>]</sup> &amp; end.</p>"
        for number in range(paragraphs)
    )
    return (
        f"<html><head><title>{name}</title></head><body><div><table><tr><th>Navigation</th></tr>"
        f"</table></div><h2>Title</h2>{body}<p>short</p><pre>make</pre></body></html>"
    )


def pages() -> dict[tuple[str, str], str]:
    return {
        (language, f"{chapter}{section}.html"): page(language, f"{chapter}{section}")
        for language in LANGUAGES
        for chapter in (*CHAPTERS, "apf", "ape")
        for section in ("", "s01")
    }


def write_deb(path: Path, members: dict[str, bytes]) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.getvalue()}
    with path.open("wb") as stream:
        stream.write(b"!<arch>\n")
        for name, content in parts.items():
            stream.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            stream.write(content + b"\n" * (len(content) % 2))


@pytest.fixture
def package(tiny_packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny package with the layout of the real one, in the cache already."""
    root = "usr/share/doc/installation-guide-amd64"
    members = {
        f"{root}/{language.replace('-', '_')}/{name}": html.encode("utf-8")
        for (language, name), html in pages().items()
    }
    members[f"{root}/ko/ch01.html"] = b"<p>a language that the sample does not use</p>"
    members[f"{root}/copyright"] = COPYRIGHT
    kept = tiny_packages / guide_chapters.GUIDE.filename
    write_deb(kept, members)
    pinned = dataclasses.replace(guide_chapters.GUIDE, sha256=sha256_file(kept))
    monkeypatch.setattr(guide_chapters, "GUIDE", pinned)


def test_the_sample_is_made_whole_and_no_paragraph_is_in_two_sets(
    package: None, tmp_path: Path
) -> None:
    folder = samples.make("guide-chapters", tmp_path / "guide")
    where: defaultdict[str, set[str]] = defaultdict(set)
    languages: defaultdict[str, set[str]] = defaultdict(set)
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for name in ("train", "validation", "test"):
        with (folder / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                where[row["group"]].add(name)
                languages[row["group"]].add(row["language"])
                labels[name].add(row["label"])
    assert len(where) == len(CHAPTERS) * 2 * PARAGRAPHS
    assert {len(names) for names in where.values()} == {1}
    assert {frozenset(found) for found in languages.values()} == {frozenset(LANGUAGES)}
    assert set(labels["train"]) == set(labels["test"]) == set(CHAPTERS.values())
    licence = (folder / "data" / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("Copyright the Debian Installer team")
    assert "enapf" in licence
    shipped = (paths.recipes_dir() / "guide-chapters.yaml").read_bytes()
    assert (folder / "recipe.yaml").read_bytes() == shipped


def test_a_paragraph_is_one_line_without_marks_of_footnotes() -> None:
    found = guide.read(page("en", "x", paragraphs=1)).paragraphs
    assert found[0].endswith("gcc en & end.")
    assert "Navigation" not in " ".join(found)
    assert found[1] == "short"


def test_a_page_that_is_built_otherwise_is_left_out_in_its_language() -> None:
    found = pages()
    found["de", "ch01.html"] = page("de", "ch01", paragraphs=PARAGRAPHS + 1)
    languages = {
        row.group.split("-")[0]: {row.language for row in rows}
        for rows in guide_chapters.paragraphs(found)
        for row in rows
    }
    assert "de" not in languages["ch01"]
    assert "de" in languages["ch01s01"]


def test_untranslated_paragraphs_and_repetitions_are_left_out() -> None:
    found = pages()
    found["ru", "ch02.html"] = found["en", "ch02.html"]
    found["en", "ch03.html"] = found["en", "ch02.html"]
    texts = [row for rows in guide_chapters.paragraphs(found) for row in rows]
    assert len({row.text for row in texts}) == len(texts)
    assert not [row for row in texts if row.language == "ru" and row.group.startswith("ch02-")]
    assert not [row for row in texts if row.group.startswith("ch03-")]


def test_the_recipe_lists_the_languages_of_the_sample() -> None:
    found = recipe.read(recipe.shipped()["guide-chapters"]).recipe
    assert tuple(found.languages) == LANGUAGES
    assert found.max_tokens == guide_chapters.WINDOW


def test_a_file_that_is_no_debian_package_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(SampleError, match="is not a Debian package"):
        list(apt.members(tmp_path / "x.deb"))


def test_a_failing_apt_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    with pytest.raises(SampleError, match=r"could not fetch installation-guide-.*\(no network\)"):
        apt.fetch(guide_chapters.GUIDE)


@pytest.mark.slow
def test_the_real_guide_has_ten_languages_and_long_paragraphs(cache: Path, tmp_path: Path) -> None:
    found, licence = guide_chapters.read(apt.members(apt.fetch(guide_chapters.GUIDE)))
    sets = guide_chapters.make_sets(found)
    assert {row.language for row in sets["test"]} == set(LANGUAGES)
    assert len(sets["test"]) > 3000
    assert len(sets["train"]) > 3000
    english = [len(row.text) for rows in sets.values() for row in rows if row.language == "en"]
    assert min(english) >= 200
    assert max(english) <= 1500
    assert "GNU General Public License" in licence
