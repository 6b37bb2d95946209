"""Losses and sensitivity go on where they were stopped, and the sensitive gets the finer type."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.export.gguf import budget, convert, importance, losses, sensitivity
from edgekit.export.gguf.quantizing import read_tensors
from edgekit.export.gguf.types import Tensor
from tests.tiny import llama as tiny_llama

TOKENS = [list(range(5, 45)), list(range(300, 380, 2))]
PARTS = {
    "attn_v.weight 0": ["blk.0.attn_v.weight"],
    "ffn_down.weight 0": ["blk.0.ffn_down.weight"],
}


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sensitivity")
    convert.convert(tiny_llama.make_checkpoint(folder / "c", layers=1), folder / "half.gguf")
    importance.measure(folder / "half.gguf", TOKENS, folder / "importance.npz", threads=1)
    return folder / "half.gguf"


@pytest.fixture(scope="module")
def chosen(half: Path) -> list[Tensor]:
    names = [name for own in PARTS.values() for name in own]
    return [one for one in read_tensors(half) if one.name in names]


class Stop(Exception):
    pass


def stop(fraction: float) -> None:
    if fraction >= 1:
        raise Stop


def measured_losses(half: Path, tensors: list[Tensor], **settings: object) -> losses.Losses:
    return losses.measure(
        half,
        tensors,
        ["q4_0", "q8_0"],
        importance=half.parent / "importance.npz",
        threads=1,
        **settings,
    )


def test_losses_go_on_where_they_were_stopped(
    half: Path, chosen: list[Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "PART_WEIGHTS", 1)
    with pytest.raises(Stop):
        measured_losses(half, chosen, on_progress=stop, progress=tmp_path)
    told: list[float] = []
    found = measured_losses(half, chosen, on_progress=told.append, progress=tmp_path)
    assert told == [1.0]
    assert found == measured_losses(half, chosen)
    assert all(0 < own["q8_0"] < own["q4_0"] < 0.1 for own in found.values())


def test_sensitivity_goes_on_where_it_was_stopped(
    half: Path, chosen: list[Tensor], tmp_path: Path
) -> None:
    found = measured_losses(half, chosen)
    settings = {"importance": half.parent / "importance.npz", "threads": 1, "progress": tmp_path}
    with pytest.raises(Stop):
        sensitivity.measure(half, PARTS, found, TOKENS, on_progress=stop, **settings)
    told: list[float] = []
    costs = sensitivity.measure(half, PARTS, found, TOKENS, on_progress=told.append, **settings)
    assert told == [1.0]
    assert list(costs) == list(PARTS)
    assert all(cost > 0 for cost in costs.values())


def test_a_part_is_a_kind_in_a_stretch_of_layers() -> None:
    names = [f"blk.{layer}.{kind}.weight" for layer in range(8) for kind in ("attn_q", "ffn_up")]
    tensors = [Tensor(name, "f16", 64, 64, is_matrix=True) for name in [*names, "output.weight"]]
    found = sensitivity.parts(tensors)
    assert found["attn_q.weight 0"] == ["blk.0.attn_q.weight", "blk.1.attn_q.weight"]
    assert found["ffn_up.weight 3"] == ["blk.6.ffn_up.weight", "blk.7.ffn_up.weight"]
    assert found["output.weight"] == ["output.weight"]
    assert len(found) == 2 * sensitivity.STRETCHES + 1


def test_a_sensitive_part_gets_the_finer_type(half: Path) -> None:
    tensors = tuple(one for one in read_tensors(half) if "ffn_up" in one.name or "gate" in one.name)
    made_up = {one.name: {"q4_0": 0.01, "q8_0": 0.0001} for one in tensors}
    space = budget.Room(
        tensors,
        {},
        sum(one.bytes_as("q4_0") for one in tensors[:1])
        + sum(one.bytes_as("q8_0") for one in tensors[1:]),
        0,
    )
    parts = {one.name: one.name for one in tensors}
    costs = {one.name: 1.0 + number for number, one in enumerate(tensors)}
    types = {"q4_0", "q8_0"}
    complete = {
        name: {type_: own.get(type_, 1.0) for type_ in space.candidates[name]}
        for name, own in made_up.items()
    }
    chosen = budget.choose(space, complete, costs, parts)
    assert set(chosen.values()) == types
    assert chosen[tensors[0].name] == "q4_0"
