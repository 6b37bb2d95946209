"""`edgekit inspect`: what an artifact is, for people, and whether it fits in memory here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli import DONE
from edgekit.cli.output import print_json, print_table
from edgekit.cli.terminal import printable
from edgekit.wording.language_names import language_name
from edgekit.wording.units import human_bytes, or_dash

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
    yield (
        f"model      {model.format} {model.quantization}, {model.parameters:,} parameters, "
        f"{human_bytes(size)}"
    )
    if model.chat is None:
        yield f"reads      {model.max_tokens} tokens at once; longer texts in several parts"
    else:
        yield f"reads      {model.max_tokens} tokens in one conversation at most"
    if model.abstain_below:
        yield f"abstains   below a score of {model.abstain_below:.0%}"
    yield f"disk       {human_bytes(manifest.needs.disk_bytes)}"
    fits = "it fits" if inspection.fits else "it does NOT fit now; close other programs"
    yield (
        f"memory     needs {human_bytes(inspection.needed_bytes)}; "
        f"{human_bytes(inspection.available_bytes)} are free here: {fits}"
    )
    yield f"licence    {manifest.licence}"
    yield from _steps(manifest)
    yield f"digest     {manifest.digest}"


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
    """The judgement of the build, in the shape that `evaluate --json` has."""
    if not manifest.quality:
        sys.stdout.write("quality    not judged: the recipe named no test set\n")
    elif manifest.task == "chat":
        _print_divergence(manifest.quality)
    else:
        _print_metrics(manifest.quality)


def _print_divergence(quality: Mapping[str, Any]) -> None:
    line = (
        f"quality    {quality['kld']:.4f} nats a token from the teacher, "
        f"{quality['top1']:.1%} the same choice, on {quality['tokens']:,} test tokens"
    )
    sys.stdout.write(f"{line}{_verdict(quality)}\n\n")
    sys.stdout.flush()
    print_table(
        "",
        ["language", "tokens", "divergence", "same choice", "perplexity, times"],
        [
            [
                printable(language_name(code)),
                f"{part['tokens']:,}",
                or_dash(part["kld"], ".4f"),
                or_dash(part["top1"], ".1%"),
                f"{part['ppl_ratio']:.4f}",
            ]
            for code, part in quality["by_language"].items()
        ],
    )


def _verdict(quality: Mapping[str, Any]) -> str:
    return f": {quality['verdict']}" if quality.get("verdict") else ""


def _print_metrics(quality: Mapping[str, Any]) -> None:
    measured = quality["artifact"]
    line = f"quality    macro-F1 {measured['macro_f1']:.3f} on {quality['rows']:,} test rows"
    if "kept" in quality:
        line += f", {quality['kept']:.1%} of the teacher's"
    sys.stdout.write(f"{line}{_verdict(quality)}\n\n")
    sys.stdout.flush()
    teacher = quality.get("teacher", {}).get("by_language", {})
    print_table(
        "",
        ["language", "rows", "macro-F1", "teacher's"],
        [
            [
                printable(language_name(code)),
                f"{part['rows']:,}",
                f"{part['macro_f1']:.3f}",
                f"{teacher[code]['macro_f1']:.3f}" if code in teacher else "",
            ]
            for code, part in measured.get("by_language", {}).items()
        ],
    )
