"""What `edgekit evaluate` does with a summarizer, and how it shows what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.cli.output import clean, language_title, percent, print_table
from edgekit.data.rows import Row
from edgekit.errors import ArtifactError, MissingExtra
from edgekit.store.store import Store
from edgekit.system import paths

Bars = Callable[..., AbstractContextManager[Callable[[str, float], None]]]


def judge(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """ROUGE and chrF beside a lead; against a teacher what is kept, and the verdict."""
    try:
        from edgekit.tasks.summarization.proof import (
            evaluate as again_summaries,  # ROUGE's own library, and torch
        )
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "compress") from error
    manifest = artifact.manifest
    spec = manifest.model.summary
    if spec is None:
        raise ArtifactError(f"{artifact.folder}: it does not say how it summarizes; build again.")
    with progress("artifact") as told, edgekit.load(artifact.folder) as model:
        summaries = []
        for row in rows:
            summaries.append(model.summarize(row.text).text)
            told("artifact", len(summaries) / len(rows))
    teacher = None
    if against is not None:
        with progress("teacher") as told, Store(paths.store_dir()) as store:
            teacher = again_summaries.teacher_summaries(
                manifest, spec, rows, against, store=store, on_part=told
            )
    return again_summaries.evaluate(manifest, rows, summaries, teacher=teacher)


def show(name: str, result: dict[str, Any]) -> None:
    metric, against = result["metric"], "teacher" in result
    columns = ["", "rows", metric, *(["teacher", "kept"] if against else []), "a lead", "chrF"]

    def line(title: str, part: Mapping[str, Any]) -> list[str]:
        sides = [percent(part["teacher"][metric]), percent(part["kept"])] if against else []
        lead = percent(part["lead"][metric])
        return [
            title,
            f"{part['rows']:,}",
            percent(part[metric]),
            *sides,
            lead,
            percent(part["chrf"]),
        ]

    lines = [line(language_title(code), part) for code, part in result["by_language"].items()]
    lines.append(line("all of these", result))
    lines += [
        line(f"{language_title(code)}, not in the recipe", part)
        for code, part in result["other_languages"].items()
    ]
    lines += [
        line(f"{clean(column)}: {clean(value)}", part)
        for column, values in result["by_slice"].items()
        for value, part in values.items()
    ]
    print_table(f"{name}: against people's summaries", columns, lines)
    print()
    print(
        f"{percent(result['unsupported'])} have a number or a name that the text does not have; "
        f"{percent(result['new_pairs'])} of their pairs of words are new."
    )
    for code in result["languages_without_rows"]:
        print(f"{language_title(code)} has no rows here and was not judged.")
    lost = [code for code, part in result["by_language"].items() if not part["beats_lead"]]
    if lost:
        print(f"It does not beat a lead in: {', '.join(map(language_title, lost))}.")
    if against:
        for code, rows in result["small_languages"].items():
            print(f"{language_title(code)} has {rows} rows, too few to be the worst language.")
        print(f"{result['verdict'] or 'No verdict'}: {result['why']}")
