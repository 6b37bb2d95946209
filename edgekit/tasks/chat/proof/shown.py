"""What `edgekit evaluate` does with a language model, and how it shows what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from edgekit.artifact.folder import Artifact, verify_for_load
from edgekit.cli.output import clean, language_title, percent, print_table
from edgekit.data.rows import Row
from edgekit.errors import MissingExtra
from edgekit.store.store import Store
from edgekit.system import paths
from edgekit.wording.units import or_dash

Bars = Callable[..., AbstractContextManager[Callable[[str, float], None]]]


def judge(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """Perplexity alone; against a teacher the divergence from it, and the verdict."""
    try:
        from edgekit.tasks.chat.proof import (
            evaluate as again,  # llama.cpp's tools, and torch for the teacher
        )
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "compress,gguf") from error
    verify_for_load(artifact)
    with progress() as told, Store(paths.store_dir()) as store:
        return again.evaluate(artifact, rows, against=against, store=store, on_part=told)


def show(name: str, result: dict[str, Any]) -> None:
    against = "kld" in result
    columns = ["", "rows", "tokens", *(_COMPARED if against else ["perplexity"])]
    parts = [
        *((language_title(code), part) for code, part in result["by_language"].items()),
        ("all of these", result),
        *(
            (f"{language_title(code)}, not in the recipe", part)
            for code, part in result["other_languages"].items()
        ),
        *(
            (f"{clean(column)}: {clean(value)}", part)
            for column, values in result.get("by_slice", {}).items()
            for value, part in values.items()
        ),
    ]
    title = "beside the large model, on the same tokens" if against else "alone"
    print_table(f"{name}: {title}", columns, [_line(*part, against=against) for part in parts])
    print()
    for code in result["languages_without_rows"]:
        print(f"{language_title(code)} has no rows here and was not judged.")
    if (anew := result.get("read_anew")) is not None:
        bits = anew["bits_per_byte"]
        print(
            f"{anew['rows']:,} rows have pieces that it has lost, and were compared up to the "
            f"first of them; on the whole rows it spends {bits['model']:.4f} bits a byte, and "
            f"the large model {bits['parent']:.4f}."
        )
    if against:
        for code, tokens in result["small_languages"].items():
            print(f"{language_title(code)} has {tokens} tokens, too few to be the worst language.")
        print(f"{result['verdict'] or 'No verdict'}: {result['why']}")


_COMPARED = ["divergence", "99 % below", "same choice", "perplexity, times"]


def _line(title: str, part: Mapping[str, Any], *, against: bool) -> list[str]:
    shown = [title, f"{part['rows']:,}", f"{part['tokens']:,}"]
    if not against:
        return [*shown, f"{part['perplexity']:.2f}"]
    return [
        *shown,
        or_dash(part["kld"], ".4f"),
        or_dash(part["kld_p99"], ".3f"),
        percent(part["top1"]),
        f"{part['ppl_ratio']:.4f}",
    ]
