"""`edgekit bench`: speed, memory, cold start and size, alone or against the teacher."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.progress import Progress

from edgekit.cli import DONE
from edgekit.cli.arguments import count
from edgekit.cli.output import messages, print_json, print_table
from edgekit.tables import task_part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument(
        "--against", type=Path, metavar="CHECKPOINT", help="the teacher, to compare with"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="texts to measure with: a column 'text', or a text a line (default: the texts that "
        "the artifact tests itself with)",
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="compare with optimum's own int8 of the teacher for this CPU, too, and judge both on "
        "the rows of --data where they have labels; pip installs optimum for it, into an "
        "environment of its own",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="in seconds: 20 texts, one round, the teacher in PyTorch alone; with --against one "
        "table of both, with the quality in each language that the build found",
    )
    parser.add_argument("--threads", type=count, default=2, help="for a single text (default: 2)")
    parser.add_argument(
        "--rounds", type=count, help="times that each text is run (default: 5, with --quick 1)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # numpy and tokenizers: not for `--help`.
    from edgekit.artifact import folder as artifacts
    from edgekit.bench.asked import Asked

    manifest = artifacts.read(settings.artifact).manifest
    asked = Asked(
        artifact=settings.artifact,
        against=settings.against,
        data=settings.data,
        baseline=settings.baseline,
        quick=settings.quick,
        threads=settings.threads,
        rounds=settings.rounds or (1 if settings.quick else 5),
    )
    if asked.baseline:
        _say_what_is_installed()
    with Progress(console=messages(), transient=True) as bars:
        bar = bars.add_task("bench", total=1.0)
        result = task_part(manifest.task, "proof.bench").run(
            asked, on_progress=lambda fraction: bars.update(bar, completed=fraction)
        )
    if settings.json:
        print_json(result)
    elif settings.quick and settings.against:
        from edgekit.cli import beside

        beside.show(manifest, result, teacher=settings.against)
        _warn_if_busy(result)
    else:
        _print(manifest.task, result)
    return DONE


def _say_what_is_installed() -> None:
    from edgekit.bench import baseline  # checkpoints: not for a bench of an artifact alone

    if (notice := baseline.notice()) is not None:
        messages().print(notice)


def _print(task: str, result: dict[str, Any]) -> None:
    for part in task_part(task, "proof.bench").shown(result):
        if isinstance(part, str):
            print(part)
        else:
            print_table(part.title, part.columns, part.rows)
    _warn_if_busy(result)


def _warn_if_busy(result: dict[str, Any]) -> None:
    if result["machine"]["load_before"] > 0.5:
        print("Other programs kept this machine busy: trust the ratios, not the milliseconds.")
