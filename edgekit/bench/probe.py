"""What a machine can do, as a file that travels: memory, instruction set, operators, llama.cpp.

Measured on the target by `edgekit probe`, and read where artifacts are chosen for it.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.bench import decoding, operators
from edgekit.bench.operators import Operator
from edgekit.errors import DataError, EdgekitError
from edgekit.system import child, machine, packages

SCHEMA = 1
SECONDS = 30.0
THREADS = 2
"""As `bench` uses, or as many cores as there are."""
_KEY = "edgekit_probe"
_DECODING_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Decoding:
    """Of a decoder of random weights in llama.cpp."""

    prompt_tokens_per_s: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Probe:
    system: str
    cpu: str
    features: tuple[str, ...]
    """Instruction sets; empty where the system does not tell."""
    cores: int
    threads: int
    """With which everything was measured."""
    memory_bytes: int
    available_bytes: int
    """Without swapping, when it was measured."""
    versions: Mapping[str, str]
    operators: tuple[Operator, ...]
    decoding: Decoding | None
    """None where llama.cpp is not installed."""

    def as_json(self) -> dict[str, Any]:
        return {_KEY: SCHEMA, **asdict(self)}


def describe() -> Probe:
    """This machine, without what must be measured."""
    names = ("edgekit", "onnxruntime", "llama-cpp-python")
    found = {name: packages.version(name) for name in names}
    return Probe(
        system=f"{platform.system()} {platform.machine()}",
        cpu=machine.cpu_name(),
        features=tuple(sorted(machine.cpu_features())),
        cores=machine.cores(),
        threads=min(THREADS, machine.cores()),
        memory_bytes=machine.total_memory_bytes(),
        available_bytes=machine.available_memory_bytes(),
        versions={name: version for name, version in found.items() if version},
        operators=(),
        decoding=None,
    )


def take(
    *,
    seconds: float = SECONDS,
    layers: int = decoding.LAYERS,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Probe:
    """Measures this machine; `layers` are those of the decoder in llama.cpp."""
    own, began, written = describe(), time.monotonic(), None
    if "llama-cpp-python" in own.versions and packages.version("gguf"):
        share = _DECODING_SHARE * seconds
        request = {"threads": own.threads, "seconds": share, "layers": layers}
        told = child.ask("edgekit.bench.decoding", "measure", request, doing="probing llama.cpp")
        written = Decoding(**told)
    on_progress(_DECODING_SHARE)
    left = max(0.0, seconds - (time.monotonic() - began))
    measured = tuple(operators.measure(threads=own.threads, seconds=left))
    on_progress(1.0)
    return replace(own, operators=measured, decoding=written)


def write(probe: Probe, path: Path) -> None:
    data = json.dumps(probe.as_json(), indent=1, ensure_ascii=False)
    try:
        machine.write_safely(path, f"{data}\n".encode())
    except OSError as error:
        raise EdgekitError(f"{path}: cannot be written ({error}); name another place.") from error


def read(path: Path) -> Probe:
    """Raises DataError for a file that no `edgekit probe` of this schema wrote."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        schema = value[_KEY]
        if schema != SCHEMA:
            raise DataError(
                f"{path}: it has schema {schema} and this edgekit reads {SCHEMA}; probe that "
                "machine again with the same version of edgekit."
            )
        return _parsed(value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: this is no file of `edgekit probe` ({error!r}); make one with "
            "edgekit probe --out FILE on that machine."
        ) from error


def _parsed(value: Mapping[str, Any]) -> Probe:
    told = value["decoding"]
    return Probe(
        system=str(value["system"]),
        cpu=str(value["cpu"]),
        features=tuple(map(str, value["features"])),
        cores=int(value["cores"]),
        threads=int(value["threads"]),
        memory_bytes=int(value["memory_bytes"]),
        available_bytes=int(value["available_bytes"]),
        versions={str(name): str(one) for name, one in value["versions"].items()},
        operators=tuple(
            Operator(str(one["kind"]), tuple(map(int, one["shape"])), float(one["us"]))
            for one in value["operators"]
        ),
        decoding=None
        if told is None
        else Decoding(float(told["prompt_tokens_per_s"]), float(told["tokens_per_s"])),
    )
