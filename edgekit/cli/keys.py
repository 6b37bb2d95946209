"""`edgekit keys`: who may ask a server, what, and how often."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from edgekit.cli import DONE, USAGE
from edgekit.cli.arguments import count
from edgekit.cli.output import messages, print_json, print_table
from edgekit.cli.terminal import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=("add", "list", "revoke"), help="what to do")
    parser.add_argument("name", nargs="?", metavar="NAME", help="whose key it is")
    parser.add_argument("--keys", type=Path, required=True, metavar="FILE", help="the file of keys")
    parser.add_argument(
        "--models", type=_names, default=(), metavar="a,b", help="artifacts it may ask (add)"
    )
    parser.add_argument(
        "--verbs",
        type=_names,
        default=(),
        metavar="a,b",
        help="what it may ask: chat, classify, summarize, extract, tokenize, embeddings, or "
        "metrics (add)",
    )
    parser.add_argument("--per-minute", type=count, metavar="N", help="requests, at most (add)")
    parser.add_argument("--tokens-a-day", type=count, metavar="N", help="at most (add)")
    parser.add_argument(
        "--expires", type=_day, metavar="DATE", help="the last day it works, as YYYY-MM-DD (add)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(settings: argparse.Namespace) -> int:
    from edgekit.serving import keys  # what a key is: not for `--help`

    if settings.do == "list":
        return _list(settings)
    if settings.name is None:
        messages().print(f"edgekit keys {settings.do}: give the NAME that the key has.")
        return USAGE
    if settings.do == "revoke":
        keys.revoke(settings.keys, settings.name)
        messages().print(f"'{settings.name}' is revoked; a running server knows at once.")
        return DONE
    asked = keys.Key(
        name=settings.name,
        hash="",
        created="",
        models=settings.models,
        verbs=settings.verbs,
        per_minute=settings.per_minute,
        tokens_a_day=settings.tokens_a_day,
        expires=settings.expires,
    )
    secret = keys.add(settings.keys, asked)
    if settings.json:
        print_json({"name": settings.name, "key": secret})
    else:
        print(secret)
        messages().print("This key is shown once; the file keeps only its hash.")
    return DONE


def _list(settings: argparse.Namespace) -> int:
    from edgekit.serving import keys  # as above

    known = keys.read(settings.keys)
    if settings.json:
        print_json([
            {"name": one.name, "id": one.id, "created": one.created, "models": list(one.models),
             "verbs": list(one.verbs), "per_minute": one.per_minute,
             "tokens_a_day": one.tokens_a_day, "expires": one.expires}
            for one in known
        ])  # fmt: skip
        return DONE
    if not known:
        print("There are no keys.")
        return DONE
    print_table("", ("name", "id", "models", "verbs", "a minute", "tokens a day", "expires"), [
        (
            printable(one.name),
            one.id,
            ", ".join(one.models) or "all",
            ", ".join(one.verbs) or "all",
            _or(one.per_minute),
            _or(one.tokens_a_day),
            _or(one.expires, "never"),
        )
        for one in known
    ])  # fmt: skip
    return DONE


def _or(value: int | str | None, without: str = "any") -> str:
    return without if value is None else str(value)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day as YYYY-MM-DD") from error
