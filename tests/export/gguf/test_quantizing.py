"""Files have the types that were asked for, substitutions are told, and losses are real."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from edgekit.errors import ExportError
from edgekit.export.gguf import budget, convert, importance, losses, quantizing, types
from edgekit.export.gguf.quantizing import quantize, read_tensors
from tests.tiny import llama as tiny_llama

TOKENS = [list(range(5, 45)), list(range(300, 380, 2))]


def made(folder: Path, hidden: int) -> Path:
    """A tiny model in f16 and, beside it, its importance."""
    checkpoint = tiny_llama.make_checkpoint(folder / "checkpoint", hidden=hidden, layers=1)
    half = folder / "half.gguf"
    convert.convert(checkpoint, half)
    importance.measure(half, TOKENS, folder / "importance.npz", threads=1)
    return half


@pytest.fixture(scope="module")
def whole_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of 256 and 512 weights, which every type fits."""
    return made(tmp_path_factory.mktemp("whole"), 256)


@pytest.fixture(scope="module")
def short_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of 64 and 128 weights, which k-quants do not fit."""
    return made(tmp_path_factory.mktemp("short"), 64)


def of_types(path: Path) -> dict[str, str]:
    return {one.name: one.type for one in read_tensors(path) if one.is_matrix}


def test_rows_of_whole_blocks_are_not_substituted(whole_rows: Path, tmp_path: Path) -> None:
    record = quantize(whole_rows, tmp_path / "q", mix="q4_k_m", threads=1)
    assert record["substituted"] == []
    assert set(of_types(tmp_path / "q").values()) == {"q4_k", "q6_k"}
    assert record["size_bytes"] == (tmp_path / "q").stat().st_size


@pytest.mark.parametrize(
    ("mix", "wanted", "given"),
    [("q4_k_m", "q4_k", "q5_0"), ("q5_k_s", "q5_k", "q5_1"), ("iq4_xs", "iq4_xs", "iq4_nl")],
)
def test_what_short_rows_force_is_told(
    short_rows: Path, tmp_path: Path, mix: str, wanted: str, given: str
) -> None:
    record = quantize(
        short_rows,
        tmp_path / "q",
        mix=mix,
        importance=short_rows.parent / "importance.npz",
        threads=1,
    )
    matrices = of_types(tmp_path / "q")
    assert (wanted, given) in {(one["wanted"], one["given"]) for one in record["substituted"]}
    told = {one["given"]: 0 for one in record["substituted"]}
    for one in record["substituted"]:
        told[one["given"]] += one["tensors"]
    assert told == {type_: list(matrices.values()).count(type_) for type_ in matrices.values()}
    bits = 8 * sum(entry["bytes"] for entry in record["types"].values())
    weights = sum(one.rows * one.columns for one in read_tensors(short_rows))
    assert record["bits_per_weight"] == pytest.approx(bits / weights, abs=1e-3)


def test_every_substitution_has_a_sentence(short_rows: Path, tmp_path: Path) -> None:
    record = quantize(short_rows, tmp_path / "q", mix="q4_k_m", threads=1)
    assert len(record["notes"]) == len(record["substituted"]) > 0
    assert "have rows of 64, which q4_k does not fit, and became q5_0; " in record["notes"][0]
    assert record["notes"][0].endswith(f"{record['bits_per_weight']:g} bits a weight in all")


def test_embeddings_of_a_told_type_are_not_substituted(short_rows: Path, tmp_path: Path) -> None:
    told = quantize(short_rows, tmp_path / "q", mix="q4_k_m", embeddings="q8_0", threads=1)
    untold = quantize(short_rows, tmp_path / "q", mix="q4_k_m", threads=1)
    counts = [sum(one["tensors"] for one in record["substituted"]) for record in (told, untold)]
    assert counts[0] == counts[1] - 1


def test_embeddings_that_do_not_fit_are_refused(short_rows: Path, tmp_path: Path) -> None:
    sentence = "cannot be q6_k, whose blocks are of 256 weights, where a row has 64; these types"
    with pytest.raises(ExportError, match=sentence):
        budget.room(short_rows, size_bytes=10**9, bits=None, embeddings="q6_k")
    with pytest.raises(ExportError, match=sentence):
        quantize(short_rows, tmp_path / "q", mix="q8_0", embeddings="q6_k", threads=1)


def test_a_mix_of_its_own_type_is_not_called_substituted(short_rows: Path, tmp_path: Path) -> None:
    record = quantize(short_rows, tmp_path / "q", mix="q8_0", threads=1)
    assert record["substituted"] == []


def test_chosen_types_are_written_and_the_rest_stays(whole_rows: Path, tmp_path: Path) -> None:
    chosen = {"blk.0.attn_q.weight": "q3_k", "blk.0.ffn_down.weight": "q5_1"}
    quantize(whole_rows, tmp_path / "q", chosen=chosen, threads=1)
    found = of_types(tmp_path / "q")
    assert {name: found.pop(name) for name in chosen} == chosen
    assert set(found.values()) == {"f16"}


def test_the_header_names_the_type_of_most_weights(whole_rows: Path, tmp_path: Path) -> None:
    matrices = [one for one in read_tensors(whole_rows) if one.is_matrix]
    for most, number in (("q4_k", gguf.LlamaFileType.MOSTLY_Q4_K_M), ("q5_1", 9), ("q8_0", 7)):
        chosen = dict.fromkeys((one.name for one in matrices), most)
        chosen[matrices[-1].name] = "q6_k"
        quantize(whole_rows, tmp_path / most, chosen=chosen, threads=1)
        said = gguf.GGUFReader(tmp_path / most).fields["general.file_type"].contents()
        assert said == number


def test_importance_changes_what_is_written(short_rows: Path, tmp_path: Path) -> None:
    matrix = short_rows.parent / "importance.npz"
    quantize(short_rows, tmp_path / "without", mix="q4_0", threads=1)
    quantize(short_rows, tmp_path / "with", mix="q4_0", importance=matrix, threads=1)
    assert (tmp_path / "without").read_bytes() != (tmp_path / "with").read_bytes()
    columns = importance.read(matrix)["blk.0.ffn_down.weight"]
    errors = [
        (np.square(values(tmp_path / name) - values(short_rows)) * columns).sum()
        for name in ("with", "without")
    ]
    assert errors[0] < errors[1]


def values(path: Path, name: str = "blk.0.ffn_down.weight") -> np.ndarray:
    [tensor] = [one for one in gguf.GGUFReader(path).tensors if one.name == name]
    return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)


def test_what_llama_cpp_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ExportError, match=r"^gguf: quantizing bad\.gguf failed"):
        quantize(tmp_path / "bad.gguf", tmp_path / "q", mix="q8_0", threads=1)


def test_losses_are_those_of_the_written_file(whole_rows: Path, tmp_path: Path) -> None:
    name, matrix = "blk.0.ffn_down.weight", whole_rows.parent / "importance.npz"
    tensors = [one for one in read_tensors(whole_rows) if one.name == name]
    found = losses.measure(
        whole_rows, tensors, ["q4_0", "q4_k", "q8_0"], importance=matrix, threads=1
    )[name]
    columns = importance.read(matrix)[name]
    for type_, loss in found.items():
        quantize(whole_rows, tmp_path / type_, chosen={name: type_}, importance=matrix, threads=1)
        whole = values(whole_rows)
        error = np.square(values(tmp_path / type_) - whole) * columns
        assert loss == pytest.approx(error.sum() / (np.square(whole) * columns).sum(), rel=1e-3)
    assert found["q8_0"] < found["q4_k"] < found["q4_0"]


def test_types_that_do_not_fit_are_no_candidates(short_rows: Path) -> None:
    tensors = read_tensors(short_rows)
    found = losses.measure(
        short_rows,
        [one for one in tensors if one.name == "blk.0.attn_q.weight"],
        types.FAST,
        importance=short_rows.parent / "importance.npz",
        threads=1,
    )
    fitting = {name for name in types.FAST if types.TYPES[name].block == 32}
    assert set(found["blk.0.attn_q.weight"]) == fitting


@pytest.mark.parametrize("above_least", [0, 5_000, 20_000, 10**9])
def test_the_file_keeps_its_budget_to_the_byte(
    short_rows: Path, tmp_path: Path, above_least: int
) -> None:
    least = least_bytes(short_rows)
    space = budget.room(short_rows, size_bytes=least + above_least, bits=None, embeddings=None)
    made_up = {
        one.name: {name: 2.0 ** -types.TYPES[name].bits for name in space.candidates[one.name]}
        for one in space.tensors
    }
    names = [one.name for one in space.tensors]
    chosen = budget.choose(space, made_up, dict.fromkeys(names, 1.0), {one: one for one in names})
    record = quantize(short_rows, tmp_path / "q", chosen=chosen, threads=1)
    assert record["size_bytes"] <= least + above_least
    if above_least == 0:
        assert record["size_bytes"] == least
    if above_least == 10**9:
        assert set(chosen.values()) == {"q8_0"}


def least_bytes(half: Path) -> int:
    with pytest.raises(ExportError, match=r"\(([0-9,]+) bytes\)") as error:
        budget.room(half, size_bytes=1, bits=None, embeddings=None)
    return int(str(error.value).split("(")[1].split(" ")[0].replace(",", ""))


def test_a_budget_below_the_least_names_it(short_rows: Path) -> None:
    least = least_bytes(short_rows)
    budget.room(short_rows, size_bytes=least, bits=None, embeddings=None)
    with pytest.raises(ExportError, match=rf"{least:,} bytes\); give at least that"):
        budget.room(short_rows, size_bytes=least - 1, bits=None, embeddings=None)


def test_bits_are_those_of_all_weights(short_rows: Path) -> None:
    space = budget.room(short_rows, size_bytes=None, bits=6.0, embeddings=None)
    tensors = read_tensors(short_rows)
    header = short_rows.stat().st_size - sum(one.size_bytes for one in tensors)
    weights = sum(one.rows * one.columns for one in tensors)
    assert space.whole_bytes == pytest.approx(header + 6.0 * weights / 8, abs=1)


def test_the_embeddings_keep_the_type_that_is_told(short_rows: Path, tmp_path: Path) -> None:
    space = budget.room(short_rows, size_bytes=None, bits=9.0, embeddings="q8_0")
    assert "token_embd.weight" not in {one.name for one in space.tensors}
    costs = {one.name: dict.fromkeys(types.FAST, 1.0) for one in space.tensors}
    parts = {one.name: one.name for one in space.tensors}
    chosen = budget.choose(space, costs, dict.fromkeys(parts, 1.0), parts)
    assert chosen["token_embd.weight"] == "q8_0"
    quantize(short_rows, tmp_path / "q", mix="q4_0", embeddings="q8_0", threads=1)
    assert of_types(tmp_path / "q")["token_embd.weight"] == "q8_0"
    with pytest.raises(ExportError, match="with embeddings in q8_0"):
        budget.room(short_rows, size_bytes=1, bits=None, embeddings="q8_0")


def test_the_nearest_mix_is_the_largest_that_fits(short_rows: Path, tmp_path: Path) -> None:
    asked = quantize(short_rows, tmp_path / "q", mix="q5_0", threads=1)["size_bytes"]
    found = quantizing.nearest_mix(short_rows, asked, embeddings=None)
    assert found is not None
    size = quantize(short_rows, tmp_path / "q", mix=found, threads=1)["size_bytes"]
    assert size == pytest.approx(asked, abs=2**20 // 100)  # llama.cpp says hundredths of a MiB
    assert quantizing.nearest_mix(short_rows, 1, embeddings=None) is None
