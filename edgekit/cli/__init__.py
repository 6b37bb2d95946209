"""The command line: a table of commands, each in a file of its own that is imported on use."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import NoReturn

from edgekit.cli.terminal import printable
from edgekit.errors import EdgekitError
from edgekit.tables import COMMANDS

# Exit codes are part of the contract with scripts.
DONE, ERROR, USAGE, FAILED, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 4, 130
EXIT_CODES = {None: DONE, "PASS": DONE, "FAIL": FAILED, "INCONCLUSIVE": INCONCLUSIVE}

# Libraries read these when first imported; the program sets them, importing edgekit does not.
ENVIRONMENT = {
    # Nothing but `sample` and `bench --baseline` may touch the network: by pip, in a subprocess.
    "HF_HUB_OFFLINE": "1",
    # OpenMP threads spin while they wait. On a machine with anything else to do that makes training
    # five times slower; this spin count costs a few per cent on an idle one.
    "GOMP_SPINCOUNT": "1000",
    # See runtime/ort.py.
    "ORT_DISABLE_TELEMETRY": "1",
}


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    arguments = sys.argv[1:] if argv is None else argv
    settings = _parse(arguments)
    try:
        return int(settings.run(settings))
    except EdgekitError as error:
        # The sentence may quote a file or a name that somebody else wrote.
        print(f"edgekit: {printable(str(error), most=2000)}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print("edgekit: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone (`edgekit … | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Imports only the requested command's module: `--help` stays instant."""
    from edgekit import __version__

    parser = argparse.ArgumentParser(
        prog="edgekit",
        description="Make a fine-tuned model small, prove what is left, and run it offline.",
    )
    parser.add_argument("--version", action="version", version=f"edgekit {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    commands = {
        name: subparsers.add_parser(name, help=summary, description=summary)
        for name, (_, summary) in COMMANDS.items()
    }
    if not arguments or arguments[0] not in commands:
        return parser.parse_args(arguments)
    name, *rest = arguments
    module = importlib.import_module(COMMANDS[name][0])
    module.add_arguments(commands[name])
    commands[name].set_defaults(run=module.run)
    # Options may come between an artifact and its texts, which parse_args would not accept.
    return commands[name].parse_intermixed_args(rest)


def run_and_exit() -> NoReturn:
    """The entry point of the installed command."""
    sys.exit(main())
