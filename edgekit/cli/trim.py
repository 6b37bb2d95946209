"""`edgekit trim`: cuts pieces out of a GGUF file, and proves by language what is left."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.cli import DONE
from edgekit.cli.arguments import count
from edgekit.cli.output import language_title, messages, print_json, print_table
from edgekit.errors import DataError, ExportError, MissingExtra
from edgekit.wording.language_codes import CODE, normal
from edgekit.wording.units import human_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.gguf", help="also a quantized one")
    parser.add_argument("out", type=Path, metavar="OUT.gguf", help="where the smaller one goes")
    parser.add_argument(
        "--languages",
        type=_languages,
        required=True,
        metavar="en,fr",
        help="whose pieces stay; all others are lost",
    )
    parser.add_argument(
        "--texts",
        nargs="+",
        required=True,
        metavar="[en=]FILE",
        help="texts of a language, one a line; every other line chooses, the rest prove what stays",
    )
    parser.add_argument(
        "--coverage",
        type=_share,
        default=0.9999,
        metavar="SHARE",
        help="of the running pieces that must stay in each language (default: 0.9999)",
    )
    parser.add_argument("--size", type=count, metavar="N", help="pieces to keep at most")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="PIECE",
        help="a piece or word that stays whatever its frequency; may be given again",
    )
    parser.add_argument(
        "--most-tokens-rise",
        type=_rise,
        default=0.02,
        metavar="SHARE",
        help="by how much a text may get longer in tokens, in any language (default: 0.02)",
    )
    parser.add_argument("--threads", type=count, metavar="N", help="cores to use")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _languages(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(normal(name) for name in text.split(",")))
    if strange := [name for name in found if not re.fullmatch(CODE, name)]:
        raise argparse.ArgumentTypeError(f"'{strange[0]}' is not a language such as en or pt-BR")
    return found


def _share(text: str) -> float:
    if not 0 < (found := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not above 0 and at most 1")
    return found


def _rise(text: str) -> float:
    if not 0 <= (found := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not 0 or more")
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def run(settings: argparse.Namespace) -> int:
    # The engine and its tools: not for `--help`.
    from edgekit.system import machine

    if settings.out.exists():
        raise ExportError(f"{settings.out} exists; name another file.")
    texts = _texts(settings.texts, settings.languages)
    try:
        from edgekit.build.trim_gguf import trim
        from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "compress,gguf") from error
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    with messages().status("choosing pieces, and proving what stays"):
        record = trim(
            settings.model,
            settings.out,
            languages=settings.languages,
            settings=TrimVocabSettings(
                coverage=settings.coverage,
                size=settings.size,
                keep=settings.keep,
                most_tokens_rise=settings.most_tokens_rise,
            ),
            texts={name: lines[::2] for name, lines in texts.items()},
            judging={name: lines[1::2] for name, lines in texts.items()},
            threads=settings.threads or machine.cores(),
        )
    if settings.json:
        print_json({"path": str(settings.out), **record})
    else:
        _show(settings.out, record)
    return DONE


def _texts(given: Sequence[str], languages: Sequence[str]) -> dict[str, list[str]]:
    """By language, the lines of its files; a file without a language belongs to the only one."""
    from edgekit.data.rows import read_texts

    found: dict[str, list[str]] = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not equals and len(languages) == 1:
            [name], path = languages, one
        name = normal(name)
        if name not in languages:
            raise DataError(
                f"--texts {one}: say which of the languages ({', '.join(languages)}) the file is "
                f"in: --texts {languages[0]}=FILE."
            )
        found.setdefault(name, []).extend(read_texts([Path(path)]))
    return found


def _show(out: Path, record: Mapping[str, Any]) -> None:
    pieces, size = record["pieces"], record["size_bytes"]
    print(
        f"{out}: {pieces['after']:,} of {pieces['before']:,} pieces, "
        f"{human_bytes(size['after'])} instead of {human_bytes(size['before'])}\n"
    )
    print_table(
        "",
        ["language", "texts", "read anew", "more tokens", "same logits", "equal to the bit"],
        [_line(name, found) for name, found in record["by_language"].items()],
    )


def _line(name: str, found: Mapping[str, Any]) -> list[str]:
    """Logits are from a sample of the texts whose tokens match the whole model's."""
    tokens = found.get("tokens_per_word") or found["tokens_per_character"]
    rise = tokens["after"] / tokens["before"] - 1 if tokens["before"] else 0.0
    checked = [f"{found.get(key, 0):,}" for key in ("logits_equal", "bit_equal")]
    return [language_title(name), f"{found['texts']:,}", f"{found['changed']:.1%}", f"{rise:+.1%}",
            *checked]  # fmt: skip
