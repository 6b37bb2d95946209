"""The model card of an artifact: what it is, for whom, and how good, in a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TO_MIND = (
    "It was judged on the recipe's test set alone. Texts of another kind, from other people or in "
    "other languages may be answered worse; look at a few hundred of your own before you rely on "
    "it, and let a person decide where an error would harm somebody."
)


def text(fields: Mapping[str, Any]) -> str:
    """MODEL_CARD.md from a manifest's fields; says only what the manifest says."""
    languages = ", ".join(fields["languages"])
    steps = [f"{number}. {_step(step)}" for number, step in enumerate(fields["steps"], 1)]
    blocks = [
        f"# {fields['name']}",
        f"A model for {fields['task']} in {languages}, made with edgekit.",
        "## What it is",
        "\n".join(_facts(fields)),
        "## How it was made",
        "\n".join(steps),
        "## How good it is",
        *_quality(fields["quality"]),
        "## What to mind",
        TO_MIND,
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(fields: Mapping[str, Any]) -> list[str]:
    model = fields["model"]
    parents = ", ".join(f"{parent['name']} ({parent['licence']})" for parent in fields["parents"])
    return [
        f"- Labels: {', '.join(fields['labels'])}",
        f"- Format: {model['format']}, {model['quantization']}, "
        f"{model['parameters'] / 1e6:.1f} million parameters",
        f"- Reads {model['max_tokens']} tokens at once; longer texts are read in several parts.",
        f"- Made from: {parents}. Licence: {fields['licence']}; see LICENSE.",
    ]


def _step(step: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in step["settings"].items() if value)
    return f"{step['step']} ({settings})" if settings else str(step["step"])


def _quality(quality: Mapping[str, Any]) -> list[str]:
    if not quality:
        return ["It was not judged: the recipe named no test set."]
    artifact = quality["artifact"]
    blocks = [
        f"On {quality['rows']:,} test rows: macro-F1 {artifact['macro_f1']:.3f}, accuracy "
        f"{artifact['accuracy']:.3f}."
    ]
    if "teacher" in quality:
        verdict = f" Verdict: {quality['verdict']}." if quality["verdict"] else ""
        blocks.append(
            f"Against the uncompressed model: {quality['kept']:.1%} of its {quality['metric']} is "
            f"left, {quality['agreement']:.1%} of answers are equal.{verdict}"
        )
    rows = [
        f"| {name} | {part['rows']} | {part['macro_f1']:.3f} |"
        for name, part in artifact["by_language"].items()
    ]
    return [*blocks, "\n".join(["| language | rows | macro-F1 |", "| --- | --- | --- |", *rows])]
