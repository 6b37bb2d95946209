"""`edgekit probe`: what this machine can do, as a file that travels to where artifacts are made."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from edgekit.cli import DONE
from edgekit.cli.output import messages, print_json, print_table
from edgekit.wording.units import human_bytes

if TYPE_CHECKING:
    from edgekit.bench.probe import Probe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where it is written, such as laptop.json"
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, metavar="N", help="that it takes (default: 30)"
    )
    parser.add_argument("--json", action="store_true", help="the file's content on stdout")


def run(settings: argparse.Namespace) -> int:
    # numpy and onnxruntime: not for `--help`.
    from edgekit.bench import probe

    with Progress(console=messages(), transient=True) as bars:
        bar = bars.add_task("probe", total=1.0)
        found = probe.take(
            seconds=settings.seconds,
            on_progress=lambda fraction: bars.update(bar, completed=fraction),
        )
    if settings.out is not None:
        probe.write(found, settings.out)
    if settings.json:
        print_json(found.as_json())
        return DONE
    _show(found)
    if settings.out is not None:
        print(f"{settings.out}  next: edgekit fit ARTIFACT --on {settings.out}")
    return DONE


def _show(found: Probe) -> None:
    print(f"{found.cpu}, {found.cores} cores; {' '.join(found.features) or 'features not told'}")
    print(f"memory {human_bytes(found.memory_bytes)}, {human_bytes(found.available_bytes)} free")
    print_table(
        f"With {found.threads} threads",
        ("operator", "shape", "ms"),
        [
            (one.kind, " × ".join(map(str, one.shape)), f"{one.us / 1000:.3f}")
            for one in found.operators
        ],
    )
    if found.decoding is None:
        print("llama.cpp is not installed: pip install 'edgekit[gguf]'")
    else:
        print(
            f"llama.cpp, a decoder of 82 MB: reads {found.decoding.prompt_tokens_per_s:,.0f} "
            f"tokens/s, writes {found.decoding.tokens_per_s:,.0f}"
        )
