"""Files that end native code: the worker may die of one, the process that asks never does."""

from __future__ import annotations

import random
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.errors import EdgekitError, WorkerError
from edgekit.runtime.isolated import start_worker
from tests.tiny.chat_artifact import chat_fields

_PATIENCE_SECONDS = 60


class Asker:
    """Has one file after the other tested, in the same worker as long as it lives."""

    def __init__(self, made: Path, folder: Path) -> None:
        self._made = made
        self._folder = folder
        self._worker = start_worker()
        self._count = 0

    def outcome(self, data: bytes) -> str:
        """What became of an artifact around these bytes, whose digests are right."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        (folder / "golden.json").write_bytes((self._made / "golden.json").read_bytes())
        (folder / "model.gguf").write_bytes(data)
        digest = artifact.write(folder, chat_fields()).manifest.digest
        if self._worker.ended:
            self._worker.end()
            self._worker = start_worker()
        watch = threading.Timer(_PATIENCE_SECONDS, self._worker.kill)
        watch.start()
        try:
            self._worker.ask("test", {"folder": folder, "digest": digest})
        except WorkerError:
            return "died"
        except EdgekitError as error:
            return type(error).__name__
        finally:
            watch.cancel()
            (folder / "model.gguf").unlink()
        return "answers"

    def close(self) -> None:
        self._worker.end()


@pytest.fixture
def asker(made_chat_artifact: Path, tmp_path: Path) -> Iterator[Asker]:
    opened = Asker(made_chat_artifact, tmp_path)
    yield opened
    opened.close()


def header_size(data: bytes) -> int:
    """Where the weights begin: nothing before them is a number of the model."""
    return data.rindex(b"output_norm.weight") + 100


def flipped(data: bytes, random_: random.Random) -> bytes:
    place = random_.randrange(header_size(data))
    changed = bytearray(data)
    changed[place] ^= 1 << random_.randrange(8)
    return bytes(changed)


def test_flipped_header_bits_harm_the_worker_at_most(tiny_gguf: Path, asker: Asker) -> None:
    data = tiny_gguf.read_bytes()
    assert asker.outcome(data) == "answers"
    random_ = random.Random(5)
    found = Counter(asker.outcome(flipped(data, random_)) for _ in range(40))
    assert found.total() == 40
    assert asker.outcome(data) == "answers"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_flipped_header_bits(tiny_gguf: Path, asker: Asker) -> None:
    data = tiny_gguf.read_bytes()
    random_ = random.Random(6)
    found = Counter(asker.outcome(flipped(data, random_)) for _ in range(2000))
    assert found.total() == 2000
    assert found["died"] > 0
    assert asker.outcome(data) == "answers"


def test_a_file_that_ends_early_is_a_sentence(tiny_gguf: Path, asker: Asker) -> None:
    data = tiny_gguf.read_bytes()
    for size in (0, 3, 24, 100, header_size(data) // 2, header_size(data), len(data) - 1000):
        assert asker.outcome(data[:size]) == "ArtifactError"


def test_a_tokenizer_of_another_model_ends_the_worker_alone(tiny_gguf: Path, asker: Asker) -> None:
    """llama.cpp aborts where a kind of tokenizer finds none of the pieces that it needs."""
    data = tiny_gguf.read_bytes()
    kind = struct.pack("<Q", 4) + b"gpt2"
    assert data.count(kind) == 1
    found = asker.outcome(data.replace(kind, struct.pack("<Q", 4) + b"bert"))
    assert found in ("died", "ArtifactError")
    assert asker.outcome(data) == "answers"


def test_damage_is_seen_before_anything_is_parsed(
    made_chat_artifact: Path, chat_artifact: Path
) -> None:
    path = chat_artifact / "model.gguf"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(edgekit.IntegrityError, match=r"model\.gguf.*sha256"):
        edgekit.load(chat_artifact)
