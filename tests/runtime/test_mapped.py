"""Large tensors are used where they lie in the file: the same answers, in pages that are shared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.artifact import folder as artifacts
from edgekit.errors import ArtifactError, IntegrityError
from edgekit.runtime.engine import Asked
from edgekit.runtime.mapped import mapped, tensors
from edgekit.runtime.opening import open_engine
from edgekit.runtime.sessions import open_session
from tests.tiny.artifact import TEXTS, make_artifact, make_onnx

PIECES, WIDTH = 40_000, 256
TABLE = PIECES * WIDTH * 4


def aligned(data: bytes) -> bytes:
    """The same model, whose large table begins at a place that its type can be read from."""
    for length in range(4):
        model = onnx.ModelProto.FromString(data)
        model.producer_name = "x" * length
        found = model.SerializeToString()
        if any(place.size >= TABLE for place in tensors(found)):
            return bytes(found)
    raise AssertionError


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_artifact(
        tmp_path_factory.mktemp("made") / "large", width=WIDTH, unused_pieces=PIECES
    )
    data = aligned((path / "model.onnx").read_bytes())
    (path / "model.onnx").write_bytes(data)
    fields = artifacts.read(path).manifest.as_json()
    for name in ("files", "digest", "format_version"):
        del fields[name]
    (path / "manifest.json").unlink()
    artifacts.write(path, fields)
    return path


def test_tensors_are_found_where_onnx_finds_them(artifact: Path) -> None:
    data = (artifact / "model.onnx").read_bytes()
    found = {place.name: place for place in tensors(data)}
    known = {one.name: one for one in onnx.load(artifact / "model.onnx").graph.initializer}
    assert len(found) > 3
    for name, place in found.items():
        values = numpy_helper.to_array(known[name])
        assert (place.shape, np.dtype(place.dtype)) == (values.shape, values.dtype)
        assert data[place.start : place.start + place.size] == values.tobytes()


def test_answers_are_the_same_bytes(artifact: Path) -> None:
    found = artifacts.read(artifact)
    engines = [open_engine(found, Asked(shared=shared)) for shared in (False, True)]
    copied, shared = (
        [one.logits(text, alone=True)[0].tobytes() for text in TEXTS] for one in engines
    )
    assert copied == shared
    for engine in engines:
        engine.close()


def test_a_file_that_changed_since_it_was_checked_is_refused(tmp_path: Path) -> None:
    data = aligned(make_onnx(PIECES, width=WIDTH))
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    (place,) = (one for one in tensors(data) if one.size >= TABLE)
    assert [*mapped(path, data)] == [place.name]
    changed = bytearray(data)
    changed[place.start + 5] ^= 1
    path.write_bytes(changed)
    with pytest.raises(IntegrityError, match="changed while it was opened"):
        mapped(path, data)


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x3a\xff\xff\x7f", b"\x0f\x0f"])
def test_what_is_no_model_is_left_to_onnxruntime(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert list(tensors(data)) == []
    with pytest.raises(ArtifactError):
        open_session(lambda: data, 1, shared=path)


LOADED = """\
import sys, edgekit
if sys.argv[2] == "shared":
    edgekit.Handle(sys.argv[1], threads=1)({"text": ["lamp"]})
else:
    model = edgekit.load(sys.argv[1], threads=1)
    model.classify("lamp")
print("loaded", flush=True)
sys.stdin.read()
"""


def own_bytes(process: subprocess.Popen[bytes]) -> int:
    """Memory that is in no file, and so in no other process."""
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    (found,) = re.findall(r"^Pss_Anon: +(\d+) kB", rollup, re.MULTILINE)
    return int(found) * 1024


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="needs smaps")
def test_two_processes_have_the_table_in_memory_once(artifact: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", LOADED, str(artifact), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for how in ("shared", "shared", "copied")
    ]
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == b"loaded\n"
        *both, copied = started
        for one in both:
            smaps = Path(f"/proc/{one.pid}/smaps").read_text()
            (model,) = re.findall(r"[^\n]*/model\.onnx\n(?:\w+:.*\n)+", smaps)
            size = {name: int(kb) * 1024 for name, kb in re.findall(r"(\w+): +(\d+) kB", model)}
            assert size["Rss"] >= TABLE
            assert size["Shared_Clean"] >= TABLE
            assert size["Private_Clean"] + size["Private_Dirty"] == 0
            assert own_bytes(one) < own_bytes(copied) - 0.8 * TABLE
    finally:
        for one in started:
            one.communicate()
