"""`edgekit verify`: every digest and the golden answers of an artifact."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgekit.cli import DONE
from edgekit.wording.units import human_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")


def run(settings: argparse.Namespace) -> int:
    # Hashing and the engine: not for `--help`.
    from edgekit.artifact.folder import FileEntry, read, verify
    from edgekit.runtime.opening import self_test

    def say(entry: FileEntry) -> None:
        sys.stdout.write(f"ok  {entry.path}  {human_bytes(entry.size_bytes)}\n")
        sys.stdout.flush()

    artifact = read(settings.artifact)
    sys.stdout.write("ok  manifest.json\n")
    verify(artifact, on_file=say)
    sys.stdout.write(f"ok  {self_test(artifact)} golden answers\n")
    return DONE
