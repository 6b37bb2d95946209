"""A teacher beside its artifact in one table: what was just timed, and what the build proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.cli.output import print_section, print_table
from edgekit.cli.terminal import printable
from edgekit.system.digest import sha256_folder
from edgekit.tasks import quality
from edgekit.wording.units import human_bytes

Line = tuple[str, str, str, str]
"""A measure, the teacher's value, the artifact's, and how the two compare."""


def show(manifest: Manifest, result: Mapping[str, Any], *, teacher: Path) -> None:
    """Prints the table; `result` is what `bench` returned for the artifact of this manifest."""
    judged = quality.read(manifest.task, manifest.quality)
    lengths = result["lengths"]
    print_table(
        f"{manifest.name} beside its teacher in PyTorch: {lengths['texts']} texts of "
        f"{lengths['mean']:.0f} tokens, one at a time with {result['threads']} threads",
        ("", "teacher", "artifact", ""),
        _measured(result),
    )
    # What was proven holds against the teacher of the build, and against no other.
    if judged is None or sha256_folder(teacher) != manifest.lock.get("teacher"):
        print(
            f"\nIts quality was not judged against {teacher}; edgekit evaluate --against does that."
        )
        return
    for section in judged.sections:
        if section.head == quality.LANGUAGE:
            print_section(section)
    print(f"\n{judged.verdict or 'No verdict'}: {printable(judged.why, most=1000)}")


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
