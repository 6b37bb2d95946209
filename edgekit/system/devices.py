"""Chooses the device and all that follows from it: precision, loading, batches. Holds no tensor.

Importing this imports no torch. Every decision is made from a description of the GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from edgekit.errors import EdgekitError, MissingExtra, StepError
from edgekit.system import machine

if TYPE_CHECKING:
    import torch

Asked = Literal["auto", "cpu", "cuda"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "bf16", "fp16"]

# From this compute capability on, a GPU has native bf16; torch emulates it on older ones.
HAS_BF16 = (8, 0)
# Of one micro-batch, padding included: larger ones would take more memory and train no faster.
MICRO_BATCH_TOKENS = 4096
MICRO_BATCH_BYTES = 2**30
"""What a micro-batch may keep for the backward pass on a CPU, where it shares 4 GB with weights."""
_VECTORS = 40
"""Of the hidden size, which a layer keeps of each token."""
_SCORES = 4
"""Numbers that a head keeps of each pair of tokens: attention grows with the length's square."""
# Batches have many lengths: the heap would fragment, by gigabytes in an hour.
KEPT_BYTES = 4 * machine.MIB

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Gpu:
    """What torch reports of the GPU that it would use."""

    name: str
    capability: tuple[int, int]
    memory_bytes: int
    count: int
    """How many GPUs of this machine torch can use."""
    architectures: tuple[str, ...]
    """What the installed torch was compiled for, such as `sm_86` or `compute_90`."""


@dataclass(frozen=True, slots=True)
class Compute:
    """How a step computes on its device."""

    device: Device
    precision: Precision
    """Of the forward pass; weights, gradients and the optimiser's state stay fp32."""
    scaled: bool
    """Losses are scaled up before the backward pass; otherwise small gradients underflow in fp16.
    """
    pinned: bool
    """Batches are copied from page-locked memory while the GPU computes."""

    def as_text(self) -> str:
        """The part of a stored result's key that names the device: `cpu`, or `cuda bf16`."""
        return self.device if self.device == "cpu" else f"{self.device} {self.precision}"


def activation_bytes(tokens: int, longest: int, *, layers: int, hidden: int, heads: int) -> int:
    """What training keeps of `tokens` tokens for the backward pass, in windows of `longest`."""
    return 4 * layers * tokens * (_VECTORS * hidden + _SCORES * heads * longest)


def micro_batch_tokens(longest: int, *, layers: int, hidden: int, heads: int) -> int:
    """How many tokens, padding included, go through a model of this shape at once on a CPU: one
    window of the length `longest`, and as many as MICRO_BATCH_BYTES hold."""
    each = activation_bytes(1, longest, layers=layers, hidden=hidden, heads=heads)
    return max(longest, min(MICRO_BATCH_TOKENS, MICRO_BATCH_BYTES // max(1, each)))


def choose_device(asked: Asked, gpu: Gpu | None) -> Device:
    """`auto` is the GPU if there is one that torch can use; asking for a GPU that is not there is
    an error."""
    if asked == "cpu" or (asked == "auto" and (gpu is None or not is_built_for(gpu))):
        return "cpu"
    if gpu is None:
        raise EdgekitError(
            "--device cuda: the installed torch finds no GPU here; use --device cpu, or install a "
            "CUDA build of torch and the GPU's driver (`edgekit doctor` says what is missing)."
        )
    if not is_built_for(gpu):
        major, minor = gpu.capability
        raise EdgekitError(
            f"--device cuda: the installed torch was not built for {gpu.name} (compute capability "
            f"{major}.{minor}); use --device cpu, or install a build of torch that is."
        )
    return "cuda"


def is_built_for(gpu: Gpu) -> bool:
    """Whether torch has code for this GPU: a binary for its major version or older PTX."""
    for name in gpu.architectures:
        kind, _, number = name.partition("_")
        digits = "".join(letter for letter in number if letter.isdigit())
        if not digits:
            continue
        version = (int(digits[:-1] or 0), int(digits[-1]))
        same_major = version[0] == gpu.capability[0]
        if version <= gpu.capability and (kind == "compute" or same_major):
            return True
    return False


def compute(device: str, gpu: Gpu | None) -> Compute:
    """The precision and loading for a device: half precision on a GPU, fp32 on the CPU.

    bf16 where the GPU has it, since its range is that of fp32; else fp16 with scaled gradients.
    """
    if device != "cuda":
        return Compute(device="cpu", precision="fp32", scaled=False, pinned=False)
    if gpu is None:
        raise EdgekitError("the device is cuda and torch finds no GPU; use --device cpu.")
    bf16 = gpu.capability >= HAS_BF16
    return Compute(
        device="cuda", precision="bf16" if bf16 else "fp16", scaled=not bf16, pinned=True
    )


def compute_here(device: str) -> Compute:
    """`compute` for the GPU of this machine; does not look for one where the device is the CPU."""
    return compute(device, find_gpu() if device == "cuda" else None)


def check_processes(processes: int, device: Device, gpu: Gpu | None) -> None:
    """Raises EdgekitError if several processes would have to share a GPU."""
    if device == "cuda" and gpu is not None and processes > gpu.count:
        raise EdgekitError(
            f"--processes {processes}: there are {gpu.count} GPUs here, and each process needs one "
            f"of its own; use --processes {gpu.count}, or --device cpu."
        )


def find_gpu() -> Gpu | None:
    """The GPU that torch would use; None if it finds none. Raises MissingExtra."""
    try:
        import torch  # heavy: only when a device must be looked for
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "compress") from error
    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Gpu(
        name=found.name,
        capability=(found.major, found.minor),
        memory_bytes=found.total_memory,
        count=torch.cuda.device_count(),
        architectures=tuple(torch.cuda.get_arch_list()),
    )


def autocast_dtype(compute: Compute) -> torch.dtype | None:
    """The dtype for torch.autocast; None means fp32 throughout."""
    import torch  # as in find_gpu

    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[compute.precision]


def autocast_here(device: str) -> torch.dtype | None:
    """The dtype for torch.autocast on a device of this machine."""
    return autocast_dtype(compute_here(device))


def send(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Copies to a device; to a GPU from page-locked memory, so that the copy is asynchronous."""
    kind = getattr(device, "type", str(device)).partition(":")[0]
    if kind != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def halved(rows: int) -> int:
    """Rows of the next micro-batch when `rows` did not fit on the GPU; StepError if `rows` is 1."""
    if rows <= 1:
        raise StepError(
            "the GPU's memory does not hold one row of this batch; set max_tokens lower or use "
            "--device cpu."
        )
    return (rows + 1) // 2


def in_parts(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Result]
) -> list[tuple[Sequence[Item], Result]]:
    """Runs `work` on all items at once, halving them as often as the GPU runs out of memory.

    Returns each part and its result, in order. Raises StepError if a single item does not fit.
    """
    import torch  # as in find_gpu

    try:
        return [(items, work(items))]
    except torch.cuda.OutOfMemoryError:
        half = halved(len(items))
    # Only here, where the error no longer references the tensors, can their memory be freed.
    torch.cuda.empty_cache()
    return in_parts(items[:half], work) + in_parts(items[half:], work)
