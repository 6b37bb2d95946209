"""`edgekit serve`: a small server for artifacts, in OpenAI's protocol and ours."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli import DONE, INTERRUPTED, USAGE
from edgekit.cli.arguments import count
from edgekit.cli.output import messages
from edgekit.cli.watch import rules_of
from edgekit.errors import EdgekitError, MissingExtra

if TYPE_CHECKING:
    from edgekit.serving.settings import Settings
    from edgekit.watching.rules import Rules

LOGS = ("counts", "masked", "plain", "off")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifacts", nargs="+", type=Path, metavar="ARTIFACT", help="folders to answer with"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8765, metavar="N", help="default: 8765")
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="who may ask, as `edgekit keys add` writes it"
    )
    parser.add_argument(
        "--slots",
        type=count,
        default=1,
        metavar="N",
        help="processes of a model that answers one request at a time (default: 1)",
    )
    parser.add_argument("--context", type=count, metavar="N", help="tokens of a conversation")
    parser.add_argument(
        "--waiting", type=count, default=32, metavar="N", help="requests that wait (default: 32)"
    )
    parser.add_argument(
        "--max-ram", metavar="SIZE", help="memory for all models together, such as 3GB"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="answer over https")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="the key of --tls-cert")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name that the server is called by",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a page of another site that may ask, such as https://intranet.example",
    )
    parser.add_argument(
        "--log",
        choices=LOGS,
        default="counts",
        help="JSON lines on stderr: without people's words (counts, the default), with them but "
        "for addresses and numbers of persons (masked), as they are (plain), or none (off)",
    )
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="give an alarm when rules say so, as `edgekit watch` does; with the NAME of an "
        "artifact where several have labels",
    )


def run(settings: argparse.Namespace) -> int:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        messages().print("edgekit serve: --tls-cert and --tls-key belong together.")
        return USAGE
    for package in ("starlette", "uvicorn", "prometheus_client", "jsonschema", "python_multipart"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "serve")
    # What listens, and the engine: not for `--help`.
    from edgekit.serving.guard import is_loopback
    from edgekit.serving.running import run as serve

    if settings.keys is None and not is_loopback(settings.host):
        raise EdgekitError(
            f"Without keys the server listens on this machine alone, not on {settings.host}: "
            "anybody in reach could use it. Make a key with `edgekit keys add NAME --keys FILE`, "
            "and give --keys FILE here."
        )
    if settings.log == "masked":
        from edgekit.masking.mask import mask

        mask("")  # says what is missing before anybody is answered
    try:
        serve(_settings(settings), write=_write, on_start=_say)
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _settings(settings: argparse.Namespace) -> Settings:
    from edgekit.serving.settings import Settings

    return Settings(
        artifacts=tuple(settings.artifacts),
        host=settings.host,
        port=settings.port,
        keys=settings.keys,
        slots=settings.slots,
        context=settings.context,
        waiting=settings.waiting,
        max_ram=settings.max_ram,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        log=settings.log,
        hosts=tuple(settings.allow_host),
        origins=tuple(settings.allow_origin),
        rules=_rules(settings),
    )


def _rules(settings: argparse.Namespace) -> dict[str, Rules]:
    """The rules that are given, by the name of the artifact that they are for."""
    if not settings.rules:
        return {}
    from edgekit.artifact.folder import read

    manifests = {one.name: one for one in (read(path).manifest for path in settings.artifacts)}
    # Labels that a request brings are no matter of rules.
    able = [name for name, manifest in manifests.items() if manifest.labels]
    found: dict[str, Rules] = {}
    for given in settings.rules:
        name, _, file = given.rpartition("=")
        if not name and len(able) == 1:
            name = able[0]
        if name not in able or name in found:
            raise EdgekitError(
                f"--rules {given}: say for which artifact, once for each, as NAME=FILE; these have "
                f"labels of their own: {', '.join(able) or 'none'}."
            )
        found[name] = rules_of(manifests[name], Path(file))
        if sourced := next((one.name for one in found[name].rules if one.by == "source"), None):
            raise EdgekitError(
                f"{file}: '{sourced}' asks for texts by their source, which a server does not "
                "know; use by: language, or `edgekit watch`."
            )
    return found


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _say(address: str, settings: Settings) -> None:
    known = "for this machine alone, without keys" if settings.keys is None else (
        f"for the keys in {settings.keys}"
    )  # fmt: skip
    messages().print(f"edgekit serves at {address}, {known}; Ctrl-C ends it.", soft_wrap=True)
