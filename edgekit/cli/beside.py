"""A teacher beside its artifact in one table: what was just timed, and what the build proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.cli.output import language_title, percent, print_table
from edgekit.digest import sha256_folder
from edgekit.manifest import Manifest
from edgekit.units import human_bytes

METRICS = {"macro_f1": "macro-F1"}

Line = tuple[str, str, str, str]
"""A measure, the teacher's, the artifact's, and how both compare."""


def show(manifest: Manifest, result: Mapping[str, Any], *, teacher: Path) -> None:
    """Prints it: `result` is what `bench` gave for the artifact of this manifest."""
    quality = manifest.quality
    # What was proved holds against the teacher of the build, and against no other.
    proved = "teacher" in quality and sha256_folder(teacher) == manifest.lock.get("teacher")
    lengths = result["lengths"]
    print_table(
        f"{manifest.name} beside its teacher in PyTorch: {lengths['texts']} texts of "
        f"{lengths['mean']:.0f} tokens, one at a time with {result['threads']} threads",
        ("", "teacher", "artifact", ""),
        [*_measured(result), *(_proved(quality) if proved else ())],
    )
    if proved:
        print(f"\n{quality['verdict'] or 'No verdict'}: {quality['why']}")
    else:
        print(
            f"\nIts quality was not judged against {teacher}; edgekit evaluate --against does that."
        )


def _measured(result: Mapping[str, Any]) -> Iterator[Line]:
    teacher, artifact = result["torch_fp32"], result["artifact"]

    def line(title: str, key: str, word: str) -> Line:
        ratio = teacher[key] / artifact[key]
        shown = human_bytes if key.endswith("bytes") else _human_ms
        return title, shown(teacher[key]), shown(artifact[key]), f"{ratio:.1f} times {word}"

    yield line("weights", "size_bytes", "smaller")
    yield line("peak memory", "peak_rss_bytes", "less")
    yield line("an answer, median", "p50_ms", "as fast")
    yield line("the first, cold", "cold_start_ms", "as fast")


def _human_ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def _proved(quality: Mapping[str, Any]) -> Iterator[Line]:
    metric = quality["metric"]

    def line(title: str, part: Mapping[str, Any]) -> Line:
        artifact = part.get("artifact", part)[metric]
        kept = f"{percent(part['kept'])} kept"
        return title, percent(part["teacher"][metric]), percent(artifact), kept

    yield line(f"{METRICS.get(metric, metric)} on {quality['rows']:,} test rows", quality)
    for code, part in _by_language(quality).items():
        yield line(f"  {language_title(code)}", part)
    for code, part in quality["other_languages"].items():
        yield line(f"  {language_title(code)}, not in the recipe", part)


def _by_language(quality: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both sides of each listed language, which a classifier's quality has apart."""
    if "by_language" in quality:
        found: Mapping[str, Any] = quality["by_language"]
        return found
    sides = ("artifact", "teacher")
    return {
        code: {**{side: quality[side]["by_language"][code] for side in sides}, "kept": kept}
        for code, kept in quality["kept_by_language"].items()
    }
