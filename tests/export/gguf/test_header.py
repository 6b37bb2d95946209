"""A GGUF's header is read as the package gguf reads it, and damage to it costs an error."""

from __future__ import annotations

import random
from pathlib import Path

import gguf
import numpy as np
import pytest

from edgekit.errors import ExportError
from edgekit.export.gguf import header


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Every kind of value, and tensors of several types and shapes."""
    path = tmp_path / "some.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(64)
    writer.add_token_list(["a", "", "é" * 300, "日本"])
    writer.add_token_scores([0.5, 1.0, 2.0, 3.0])
    writer.add_bool("some.bool", val=True)
    writer.add_float64("some.double", 1.5)
    for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
        getattr(writer, f"add_{kind}")(f"some.{kind}", 1)
    writer.add_array("some.numbers", [1, 2, 3])
    writer.add_tensor("norm.weight", np.ones(7, dtype=np.float32))
    writer.add_tensor("matrix.weight", np.zeros((5, 64), dtype=np.float16))
    rows = gguf.quantize(np.ones((3, 64), dtype=np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("small.weight", rows, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_it_says_what_the_package_gguf_reads(file: Path) -> None:
    wanted = [
        (one.name, int(one.tensor_type), tuple(map(int, one.shape)), int(one.data_offset))
        for one in gguf.GGUFReader(file).tensors
    ]
    found = [(one.name, one.type, one.shape, one.offset) for one in header.read(file)]
    assert found == wanted
    assert len(found) == 3
    assert all(offset % 64 == 0 for *_, offset in found)


def test_what_is_no_whole_header_is_an_error(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    begin = min(one.offset for one in header.read(file))
    bad = tmp_path / "bad.gguf"
    for cut in (0, 3, 4, 11, 30, 200, begin // 2):
        bad.write_bytes(data[:cut])
        with pytest.raises(ExportError, match="no whole GGUF file"):
            header.read(bad)
    bad.write_bytes(b"GGML" + data[4:])
    with pytest.raises(ExportError, match="does not begin with 'GGUF'"):
        header.read(bad)
    bad.write_bytes(data[:4] + b"\x01" + data[5:])
    with pytest.raises(ExportError, match="its version is 1"):
        header.read(bad)


def test_no_flipped_bit_costs_more_than_an_error(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    begin = min(one.offset for one in header.read(file))
    chance, bad = random.Random(7), tmp_path / "bad.gguf"
    for _ in range(1000):
        flipped = bytearray(data)
        flipped[chance.randrange(begin)] ^= 1 << chance.randrange(8)
        bad.write_bytes(flipped)
        try:
            header.read(bad)
        except ExportError:
            continue
