"""`edgekit extract`: the fields of a text by a JSON Schema, with a chat artifact."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edgekit.cli import DONE
from edgekit.cli.output import print_json
from edgekit.cli.terminal import printable
from edgekit.errors import DataError

MAX_SCHEMA_BYTES = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="a chat artifact's folder")
    parser.add_argument("text", metavar="TEXT", help="what to read; - reads it from stdin")
    parser.add_argument(
        "--schema", type=Path, required=True, metavar="FILE", help="a JSON Schema of the fields"
    )
    parser.add_argument(
        "--max-tokens", type=int, default=1024, metavar="N", help="of the answer (default: 1024)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use")
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(settings: argparse.Namespace) -> int:
    schema = _read_schema(settings.schema)
    text = sys.stdin.read() if settings.text == "-" else settings.text
    import edgekit  # the engine: not for `--help`

    with edgekit.load(settings.artifact, threads=settings.threads) as model:
        found = model.extract(text, schema=schema, max_tokens=settings.max_tokens)
    if settings.json or not isinstance(found, dict):
        print_json(found)
        return DONE
    width = max(map(len, found), default=0)
    for name, value in found.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        sys.stdout.write(f"{printable(name):{width}}  {printable(shown, most=10_000)}\n")
    return DONE


def _read_schema(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_SCHEMA_BYTES:
            raise DataError(f"{path}: this file is too large to be a schema.")
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: this cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: this is no JSON ({error}); mend it.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: a JSON Schema is a mapping; this is a {type(found).__name__}.")
    return found
