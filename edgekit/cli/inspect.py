"""`edgekit inspect`: what an artifact is, for people, and whether it fits in memory here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifact.manifest import PAIRS, SEVERAL
from edgekit.cli import DONE
from edgekit.cli.output import print_json, print_section
from edgekit.cli.terminal import printable
from edgekit.system import room
from edgekit.tables import TASKS, task_part
from edgekit.tasks import quality
from edgekit.wording.language_names import language_name
from edgekit.wording.units import human_bytes

if TYPE_CHECKING:
    from edgekit.artifact.manifest import Manifest
    from edgekit.runtime.memory import Inspection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument("--json", action="store_true", help="the manifest as JSON on stdout")


def run(settings: argparse.Namespace) -> int:
    import edgekit  # hashing and the machine: not for `--help`

    inspection = edgekit.inspect(settings.artifact)
    manifest = inspection.manifest
    if settings.json:
        here = {
            "available_ram_bytes": inspection.available_bytes,
            "needed_ram_bytes": inspection.needed_bytes,
            "fits": inspection.fits,
        }
        print_json({**manifest.as_json(), "path": str(settings.artifact), **here})
        return DONE
    for line in _lines(inspection):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    _print_quality(manifest)
    return DONE


def _lines(inspection: Inspection) -> Iterator[str]:
    manifest = inspection.manifest
    model = manifest.model
    size = sum(manifest.file(name).size_bytes for name in model.files)
    languages = ", ".join(language_name(code) for code in manifest.languages)
    yield f"{manifest.name}: {manifest.task} in {printable(languages, most=1000)}"
    if manifest.labels:
        yield f"labels     {printable(', '.join(manifest.labels), most=1000)}"
    if model.thresholds is not None:
        yield f"           {SEVERAL}, {_least(manifest)}"
    yield (
        f"model      {model.format} {model.quantization}, {model.parameters:,} parameters, "
        f"{human_bytes(size)}"
    )
    if manifest.task in TASKS:
        reads = task_part(manifest.task, "quality").READS
        pairs = PAIRS if model.pairs else ""
        yield f"reads      {pairs}{reads.format(max_tokens=model.max_tokens)}"
    if model.abstain_below:
        yield f"abstains   below a score of {model.abstain_below:.0%}"
    yield f"disk       {human_bytes(manifest.needs.disk_bytes)}"
    fits = "it fits" if inspection.fits else "it does NOT fit now"
    if not inspection.fits and (freeing := room.freeing(inspection.needed_bytes)):
        fits += f"; {freeing}"
    yield (
        f"memory     needs {human_bytes(inspection.needed_bytes)}; "
        f"{human_bytes(inspection.available_bytes)} are free here: {fits}"
    )
    yield f"licence    {manifest.licence}"
    yield from _steps(manifest)
    yield f"digest     {manifest.digest}"


def _least(manifest: Manifest) -> str:
    """From which score a label is given, and where that comes from."""
    found = manifest.model.thresholds
    if found is None or not found.rows:
        return "each from a score of 50 %, for want of validation rows"
    return (
        f"each from a score between {min(found.labels):.0%} and {max(found.labels):.0%}, by "
        f"{found.rows:,} validation rows"
    )


def _steps(manifest: Manifest) -> Iterator[str]:
    head = "made by"
    for step in manifest.steps:
        yield f"{head:10} {printable(str(step.get('step', '?')))} {_change(step)}".rstrip()
        head = ""


def _change(step: Mapping[str, Any]) -> str:
    """What a step measured before and after, where both are numbers."""
    before, after = step.get("before"), step.get("after")
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return ""
    changes = [
        f"{name} {_number(before[name])} → {_number(value)}"
        for name, value in after.items()
        if _is_number(before.get(name)) and _is_number(value) and value != before[name]
    ]
    return printable(f"({', '.join(changes)})", most=300) if changes else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _print_quality(manifest: Manifest) -> None:
    found = quality.read(manifest.task, manifest.quality)
    if found is None:
        sys.stdout.write("quality    not judged: the recipe named no test set\n")
        return
    head = "quality"
    for line in [*found.lines(), found.why]:
        if line:
            sys.stdout.write(f"{head:10} {printable(line, most=1000)}\n")
            head = ""
    for section in found.sections[:1]:
        print_section(section)
