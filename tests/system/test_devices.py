from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import EdgekitError, StepError
from edgekit.system import devices
from edgekit.system.devices import Compute, Gpu

AMPERE = Gpu(
    name="an RTX 3060",
    capability=(8, 6),
    memory_bytes=12 * 2**30,
    count=2,
    architectures=("sm_75", "sm_80", "sm_86", "sm_90"),
)
TURING = replace(AMPERE, name="a GTX 1650", capability=(7, 5), count=1)
PASCAL = replace(AMPERE, name="a GTX 1060", capability=(6, 1))


@pytest.mark.parametrize(
    ("asked", "gpu", "device"),
    [
        ("auto", AMPERE, "cuda"),
        ("auto", None, "cpu"),
        ("auto", PASCAL, "cpu"),
        ("cpu", AMPERE, "cpu"),
        ("cuda", TURING, "cuda"),
    ],
)
def test_the_device_is_the_gpu_where_torch_can_use_one(
    asked: devices.Asked, gpu: Gpu | None, device: str
) -> None:
    assert devices.choose_device(asked, gpu) == device


@pytest.mark.parametrize(
    ("gpu", "says"),
    [
        (None, "finds no GPU here"),
        (PASCAL, r"not built for a GTX 1060 \(compute capability 6\.1\)"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_no_silent_cpu(gpu: Gpu | None, says: str) -> None:
    with pytest.raises(EdgekitError, match=says):
        devices.choose_device("cuda", gpu)


@pytest.mark.parametrize(
    ("architectures", "built"),
    [
        (("sm_80",), True),  # same major version, older minor
        (("sm_89",), False),  # newer minor version
        (("sm_75",), False),  # another major version
        (("sm_75", "compute_75"), True),  # PTX is compiled when it is loaded
        (("compute_90",), False),
        (("sm_86a",), True),
        (("gfx1030",), False),
        ((), False),
    ],
)
def test_torch_is_built_for_a_gpu_by_binary_or_ptx(
    architectures: tuple[str, ...], built: bool
) -> None:
    assert devices.is_built_for(replace(AMPERE, architectures=architectures)) is built


def test_precision_and_loading_follow_the_gpu() -> None:
    assert devices.compute("cpu", AMPERE) == Compute("cpu", "fp32", scaled=False, pinned=False)
    assert devices.compute("cuda", AMPERE) == Compute("cuda", "bf16", scaled=False, pinned=True)
    # torch says that a Turing GPU supports bf16; it emulates it.
    assert devices.compute("cuda", TURING) == Compute("cuda", "fp16", scaled=True, pinned=True)
    with pytest.raises(EdgekitError, match="finds no GPU"):
        devices.compute("cuda", None)


def test_precision_as_torch_and_the_store_know_it() -> None:
    found = [devices.compute("cpu", None), *(devices.compute("cuda", g) for g in (AMPERE, TURING))]
    assert [devices.autocast_dtype(one) for one in found] == [None, torch.bfloat16, torch.float16]
    assert [one.as_text() for one in found] == ["cpu", "cuda bf16", "cuda fp16"]


def test_each_process_has_a_gpu_of_its_own() -> None:
    devices.check_processes(2, "cuda", AMPERE)
    devices.check_processes(8, "cpu", None)
    with pytest.raises(EdgekitError, match="--processes 3: there are 2 GPUs here"):
        devices.check_processes(3, "cuda", AMPERE)


class Copied:
    """Writes down how it is copied."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def pin_memory(self) -> Copied:
        self.calls.append("pinned")
        return self

    def to(self, device: object, non_blocking: bool = False) -> Copied:
        self.calls.append((str(device), non_blocking))
        return self


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda", 0)])
def test_batches_go_to_a_gpu_from_pinned_memory(device: torch.device | str) -> None:
    tensor = Copied()
    devices.send(tensor, device)  # type: ignore[arg-type]
    assert tensor.calls == ["pinned", (str(device), True)]


def test_batches_stay_where_they_are_on_the_cpu() -> None:
    tensor = Copied()
    devices.send(tensor, torch.device("cpu"))  # type: ignore[arg-type]
    assert tensor.calls == [("cpu", False)]


@given(st.integers(1, 100), st.integers(1, 100))
def test_work_is_halved_until_the_memory_holds_it(count: int, room: int) -> None:
    items = list(range(count))

    def work(part: Sequence[int]) -> int:
        if len(part) > room:
            raise torch.cuda.OutOfMemoryError
        return sum(part)

    parts = devices.in_parts(items, work)
    assert [item for part, _ in parts for item in part] == items
    assert all(result == sum(part) and len(part) <= room for part, result in parts)


def test_one_row_too_much_is_an_error_with_a_remedy() -> None:
    def work(part: Sequence[int]) -> int:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(StepError, match=r"does not hold one row .* --device cpu"):
        devices.in_parts([1, 2], work)
