"""`edgekit evaluate`: quality by language and label, alone or against the teacher."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from edgekit.cli import EXIT_CODES
from edgekit.cli.output import messages, print_json, print_table
from edgekit.errors import CheckpointError, MissingExtra
from edgekit.languages import language_name

if TYPE_CHECKING:
    import numpy as np

    from edgekit.manifest import Manifest
    from edgekit.tasks.rows import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV, JSONL or Parquet with the columns text, label and, optional, language and group",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKPOINT",
        help="the teacher: compares with it and gives the verdict that the recipe asks for",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # numpy and the engine: not for `--help`.
    import edgekit
    from edgekit.evaluate import flip_rows, judge

    with edgekit.load(settings.artifact) as model:
        manifest = model.manifest
        rows = _read(settings.data, manifest)
        texts = [row.text for row in rows]
        logits = _stack(model.logits(texts), len(texts))
    teacher = None if settings.against is None else _teacher(settings.against, texts, manifest)
    result = judge(
        rows,
        logits,
        manifest.labels,
        teacher_logits=teacher,
        languages=manifest.languages,
        must=_must(manifest),
        temperature=manifest.model.temperature,
        seed=int(manifest.recipe.get("seed", 0)),
    )
    if settings.json:
        flips = {}
        if teacher is not None:
            flips["flip_rows"] = flip_rows(rows, logits, manifest.labels, teacher_logits=teacher)
        print_json({**result, **flips})
    else:
        _print(manifest.name, result)
    return EXIT_CODES[result.get("verdict")]


def _read(path: Path, manifest: Manifest) -> list[Row]:
    """The rows, with the slices of the recipe that the file has columns for."""
    from edgekit.tasks.rows import read_rows, stream_records

    wanted = manifest.recipe.get("data", {}).get("slices", [])
    columns = next(iter(stream_records(path)))
    for name in wanted:
        if name not in columns:
            messages().print(f"{path} has no column '{name}', so nothing is judged by it.")
    rows = read_rows(path, slices=[name for name in wanted if name in columns])
    if len(manifest.languages) == 1:
        # As when building: what names no language is in the only one.
        return [replace(row, language=row.language or manifest.languages[0]) for row in rows]
    return rows


def _must(manifest: Manifest) -> Any:
    from edgekit.evaluate import Must

    return Must(**manifest.recipe.get("must", {}))


def _stack(answers: Iterable[np.ndarray], count: int) -> np.ndarray:
    import numpy as np

    with _progress("artifact") as told:
        found = []
        for logits in answers:
            found.append(logits)
            told(len(found) / count)
        return np.stack(found)


def _teacher(checkpoint: Path, texts: Sequence[str], manifest: Manifest) -> np.ndarray:
    """The teacher's logits in fp32, in the order of the artifact's labels."""
    try:
        from edgekit.compress import predict  # torch
        from edgekit.compress.checkpoint import describe
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "compress") from error
    labels = describe(checkpoint).labels
    if labels is None or sorted(labels) != sorted(manifest.labels):
        raise CheckpointError(
            f"{checkpoint}: its labels ({', '.join(labels or ('none',))}) are not those of the "
            f"artifact ({', '.join(manifest.labels)}); name the teacher that it was made from."
        )
    with _progress("teacher") as told:
        logits = predict.logits(
            checkpoint,
            texts,
            prefix=manifest.model.prefix,
            max_tokens=manifest.model.max_tokens,
            on_progress=told,
        )
    return logits[:, [labels.index(label) for label in manifest.labels]]


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    with Progress(console=messages(), transient=True) as bars:
        task = bars.add_task(name, total=1.0)
        yield lambda fraction: bars.update(task, completed=fraction)


def _print(name: str, result: dict[str, Any]) -> None:
    metric = result["metric"]
    word = "macro-F1" if metric == "macro_f1" else "accuracy"
    against = "teacher" in result
    columns = ["", "rows", "artifact", *(["teacher", "kept"] if against else [])]

    def line(title: str, rows: int, sides: dict[str, Any], kept: float | None) -> list[str]:
        shown = [title, f"{rows:,}", _percent(sides["artifact"][metric])]
        return [*shown, _percent(sides["teacher"][metric]), _percent(kept)] if against else shown

    lines = []
    for language, part in result["artifact"]["by_language"].items():
        sides = {"artifact": part}
        if against:
            sides["teacher"] = result["teacher"]["by_language"][language]
        kept = result["kept_by_language"][language] if against else None
        lines.append(line(_title(language), part["rows"], sides, kept))
    lines.append(line("all of these", result["rows"], result, result.get("kept")))
    for language, part in result["other_languages"].items():
        title = f"{_title(language)}, not in the recipe"
        lines.append(line(title, part["rows"], part, part.get("kept")))
    for column, parts in result["by_slice"].items():
        lines += [
            line(f"{_clean(column)}: {_clean(value)}", part["rows"], part, part.get("kept"))
            for value, part in parts.items()
        ]
    print_table(f"{name}: {word}, where 100 % is never wrong", columns, lines)
    print_table("\nby label", ["", "rows", "F1"], _label_lines(result["artifact"]["by_label"]))
    print()
    print(f"Scores are off by {_percent(result['artifact']['ece'])} on average (ECE).")
    for language in result["languages_without_rows"]:
        print(f"{_title(language)} has no rows here and was not judged.")
    if against:
        _print_comparison(result)


def _print_comparison(result: dict[str, Any]) -> None:
    flips = result["flips"]
    print(
        f"{_percent(result['agreement'])} of the answers are the teacher's; of the others "
        f"{flips['better']:,} are right where it is wrong and {flips['worse']:,} the reverse."
    )
    for language, rows in result["small_languages"].items():
        print(f"{_title(language)} has {rows} rows, too few to be the worst language.")
    print(f"{result['verdict'] or 'No verdict'}: {result['why']}")


def _label_lines(by_label: dict[str, Any]) -> list[list[str]]:
    return [
        [label, f"{one['rows']:,}", _percent(one["f1"])]
        for label, one in by_label.items()
        if one["rows"]
    ]


def _title(language: str) -> str:
    name = language_name(language)
    return _clean(language if name == language else f"{language} {name}")


def _clean(text: str) -> str:
    """Names in a data file must not steer the terminal."""
    return text if text.isprintable() else ascii(text)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
