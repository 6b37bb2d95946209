"""`edgekit echo`: a text, heard again."""

from __future__ import annotations

import argparse
from pathlib import Path

import edgekit
from edgekit.cli import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path)
    parser.add_argument("text")


def run(settings: argparse.Namespace) -> int:
    with edgekit.load(settings.artifact) as model:
        print(model.verbs.echo(settings.text))
    return DONE
