"""The command line: a table of commands, each in a file of its own that is imported on use."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from edgekit.cli.terminal import printable
from edgekit.errors import EdgekitError, code_of
from edgekit.tables import COMMANDS
from edgekit.wording import translating

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
    arguments, language = _without_language(sys.argv[1:] if argv is None else argv)
    settings = _parse(arguments)
    try:
        return int(settings.run(settings))
    except EdgekitError as error:
        print(f"edgekit: {_told(error, language)}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print("edgekit: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone (`edgekit … | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _told(error: EdgekitError, language: str | None) -> str:
    """The sentence in the user's language; there with its code, to be looked up by others."""
    said = translating.sentence(error, language or translating.from_environment())
    code = "" if said == str(error) else f" [{code_of(error)}]"
    # The sentence may quote a file or a name that somebody else wrote.
    return f"{printable(said, most=2000)}{code}"


def _without_language(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments without `--lang CODE`, which may stand anywhere, and the code."""
    parser = argparse.ArgumentParser(prog="edgekit", add_help=False, allow_abbrev=False)
    _add_language(parser)
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    known, rest = parser.parse_known_args(own)
    return [*rest, *arguments[len(own) :]], known.lang


def _add_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lang",
        choices=translating.LANGUAGES,
        metavar="CODE",
        help="the language of errors, such as fr (default: the system's)",
    )


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Imports only the requested command's module: `--help` stays instant."""
    from edgekit import __version__

    parser = argparse.ArgumentParser(
        prog="edgekit",
        description="Make a fine-tuned model small, prove what is left, and run it offline.",
    )
    parser.add_argument("--version", action="version", version=f"edgekit {__version__}")
    _add_language(parser)
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
