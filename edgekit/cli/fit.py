"""`edgekit fit`: whether artifacts suit a machine, this one or a probed one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli import DONE, FAILED
from edgekit.cli.arguments import count
from edgekit.cli.output import print_json, print_table
from edgekit.wording.units import human_bytes

if TYPE_CHECKING:
    from edgekit.bench.fit import Fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifacts", type=Path, nargs="+", metavar="ARTIFACT", help="artifacts' folders"
    )
    parser.add_argument(
        "--on", type=Path, metavar="FILE", help="of another machine, by `edgekit probe --out FILE`"
    )
    parser.add_argument(
        "--own",
        type=Path,
        metavar="FILE",
        help="of this machine, so that it is not measured again (with --on)",
    )
    parser.add_argument("--context", type=count, metavar="N", help="tokens that a chat is to hold")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # numpy and onnxruntime: not for `--help`.
    from edgekit.artifact import folder as artifacts
    from edgekit.bench import fit, probe

    read, context = [artifacts.read(path) for path in settings.artifacts], settings.context
    if settings.on is None:
        found = [fit.here(one, probe.describe(), context=context) for one in read]
    else:
        target = probe.read(settings.on)
        own = probe.take() if settings.own is None else probe.read(settings.own)
        found = [fit.there(one, target, own, context=context) for one in read]
    if settings.json:
        print_json({"fits": [one.as_json() for one in found]})
    else:
        _show(found)
    return DONE if all(one.fits for one in found) else FAILED


def _show(found: list[Fit]) -> None:
    print_table(
        "",
        ("artifact", "memory", "free there", "fits", "expected"),
        [
            (
                one.name,
                human_bytes(one.needed_bytes) + (f" at {one.context:,}" if one.context else ""),
                human_bytes(one.available_bytes),
                "yes" if one.fits else "NO",
                _speed(one),
            )
            for one in found
        ],
    )
    for one in found:
        print(f"{one.name}: {one.basis}. On the machine itself: {one.verify}")


def _speed(one: Fit) -> str:
    told = {
        "ms_per_answer": "{:.2f} ms an answer",
        "prompt_tokens_per_s": "reads {:,.0f} tokens/s",
        "tokens_per_s": "writes {:,.1f} tokens/s",
    }
    return ", ".join(told[name].format(value) for name, value in one.speed.items()) or "–"
