"""What `edgekit evaluate` does with a classifier, and how it shows what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.cli.output import clean, language_title, percent, print_table
from edgekit.data.rows import Row
from edgekit.errors import CheckpointError, MissingExtra
from edgekit.tasks.classification.proof.quality import flip_rows, judge_artifact

Bars = Callable[..., AbstractContextManager[Callable[[str, float], None]]]


def judge(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """The metrics, and against a teacher the flips, with their rows, and the verdict."""
    manifest, texts = artifact.manifest, [row.text for row in rows]
    with edgekit.load(artifact.folder) as model:
        logits = _stack(model.logits(texts), len(texts), progress)
    teacher = None if against is None else _teacher(against, texts, manifest, progress)
    result = judge_artifact(manifest, rows, logits, teacher)
    if teacher is None:
        return result
    flips = flip_rows(rows, logits, manifest.labels, teacher_logits=teacher)
    return {**result, "flip_rows": flips}


def _stack(answers: Iterable[np.ndarray], count: int, progress: Bars) -> np.ndarray:
    with progress("artifact") as told:
        found = []
        for logits in answers:
            found.append(logits)
            told("artifact", len(found) / count)
        return np.stack(found)


def _teacher(
    checkpoint: Path, texts: Sequence[str], manifest: Manifest, progress: Bars
) -> np.ndarray:
    """The teacher's logits in fp32, in the order of the artifact's labels."""
    try:
        from edgekit.checkpoint.describe import describe
        from edgekit.training import predict  # torch
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "compress") from error
    labels = describe(checkpoint).labels
    if labels is None or sorted(labels) != sorted(manifest.labels):
        raise CheckpointError(
            f"{checkpoint}: its labels ({', '.join(labels or ('none',))}) are not those of the "
            f"artifact ({', '.join(manifest.labels)}); name the teacher that it was made from."
        )
    with progress("teacher") as told:
        logits = predict.logits(
            checkpoint,
            texts,
            prefix=manifest.model.prefix,
            max_tokens=manifest.model.max_tokens,
            on_progress=lambda fraction: told("teacher", fraction),
        )
    return logits[:, [labels.index(label) for label in manifest.labels]]


def show(name: str, result: dict[str, Any]) -> None:
    metric = result["metric"]
    word = "macro-F1" if metric == "macro_f1" else "accuracy"
    against = "teacher" in result
    columns = ["", "rows", "artifact", *(["teacher", "kept"] if against else [])]

    def line(title: str, rows: int, sides: dict[str, Any], kept: float | None) -> list[str]:
        shown = [title, f"{rows:,}", percent(sides["artifact"][metric])]
        return [*shown, percent(sides["teacher"][metric]), percent(kept)] if against else shown

    lines = []
    for language, part in result["artifact"]["by_language"].items():
        sides = {"artifact": part}
        if against:
            sides["teacher"] = result["teacher"]["by_language"][language]
        kept = result["kept_by_language"][language] if against else None
        lines.append(line(language_title(language), part["rows"], sides, kept))
    lines.append(line("all of these", result["rows"], result, result.get("kept")))
    for language, part in result["other_languages"].items():
        title = f"{language_title(language)}, not in the recipe"
        lines.append(line(title, part["rows"], part, part.get("kept")))
    for column, parts in result["by_slice"].items():
        lines += [
            line(f"{clean(column)}: {clean(value)}", part["rows"], part, part.get("kept"))
            for value, part in parts.items()
        ]
    print_table(f"{name}: {word}, where 100 % is never wrong", columns, lines)
    print_table("\nby label", ["", "rows", "F1"], _label_lines(result["artifact"]["by_label"]))
    print()
    print(f"Scores are off by {percent(result['artifact']['ece'])} on average (ECE).")
    for language in result["languages_without_rows"]:
        print(f"{language_title(language)} has no rows here and was not judged.")
    if against:
        _print_comparison(result)


def _print_comparison(result: dict[str, Any]) -> None:
    flips = result["flips"]
    print(
        f"{percent(result['agreement'])} of the answers are the teacher's; of the others "
        f"{flips['better']:,} are right where it is wrong and {flips['worse']:,} the reverse."
    )
    for language, rows in result["small_languages"].items():
        print(f"{language_title(language)} has {rows} rows, too few to be the worst language.")
    print(f"{result['verdict'] or 'No verdict'}: {result['why']}")


def _label_lines(by_label: dict[str, Any]) -> list[list[str]]:
    return [
        [label, f"{one['rows']:,}", percent(one["f1"])]
        for label, one in by_label.items()
        if one["rows"]
    ]
