"""The model card of an artifact: what it is, for whom, and how good, in a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(fields: Mapping[str, Any]) -> str:
    """MODEL_CARD.md from a manifest's fields; says only what the manifest says."""
    model, quality = fields["model"], fields["quality"]
    parents = ", ".join(f"{parent['name']} ({parent['licence']})" for parent in fields["parents"])
    parts = [
        f"# {fields['name']}",
        f"A model for {fields['task']} in {_listed(fields['languages'])}, made with edgekit.",
        "## What it is",
        f"- Labels: {_listed(fields['labels'])}",
        f"- Format: {model['format']}, {model['quantization']}, "
        f"{model['parameters'] / 1e6:.1f} million parameters",
        f"- Reads {model['max_tokens']} tokens at once; longer texts are read in several parts.",
        f"- Made from: {parents}. Licence: {fields['licence']}; see LICENSE.",
        "## How it was made",
        *[f"{number}. {_step(step)}" for number, step in enumerate(fields["steps"], 1)],
        "## How good it is",
        *(_quality(quality) if quality else ["It was not judged: the recipe named no test set."]),
        "## What to mind",
        "It was judged on the recipe's test set alone. Texts of another kind, from other people or "
        "in other languages may be answered worse; look at a few hundred of your own before you "
        "rely on it, and let a person decide where an error would harm somebody.",
    ]
    return "\n\n".join(_joined(parts)) + "\n"


def _joined(parts: list[str]) -> list[str]:
    """List items that follow each other stand in one block."""
    blocks: list[str] = []
    for part in parts:
        is_item = part.startswith("- ") or part[:2].rstrip(".").isdigit() or part.startswith("|")
        if (is_item and blocks and blocks[-1].splitlines()[-1][:1] == part[:1]) or (
            is_item and part[:1].isdigit() and blocks and blocks[-1][:1].isdigit()
        ):
            blocks[-1] += f"\n{part}"
        else:
            blocks.append(part)
    return blocks


def _listed(values: list[str]) -> str:
    return ", ".join(values)


def _step(step: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in step["settings"].items() if value)
    return f"{step['step']}" + (f" ({settings})" if settings else "")


def _quality(quality: Mapping[str, Any]) -> list[str]:
    artifact, teacher = quality["artifact"], quality.get("teacher")
    lines = [
        f"On {quality['rows']:,} test rows: macro-F1 {artifact['macro_f1']:.3f}, accuracy "
        f"{artifact['accuracy']:.3f}."
    ]
    if teacher is not None:
        lines.append(
            f"Against the uncompressed model: {quality['kept']:.1%} of its {quality['metric']} is "
            f"left, {quality['agreement']:.1%} of answers are equal."
            + (f" Verdict: {quality['verdict']}." if quality["verdict"] else "")
        )
    lines += ["| language | rows | macro-F1 |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {part['rows']} | {part['macro_f1']:.3f} |"
        for name, part in artifact["by_language"].items()
    ]
    return lines
