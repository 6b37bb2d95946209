"""The model card of an artifact: what it is, for whom, and how good, in a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.artifact.manifest import PAIRS, SEVERAL
from edgekit.tables import task_part
from edgekit.tasks import quality
from edgekit.tasks.quality import Section
from edgekit.wording.units import or_dash

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
        *_quality(fields["task"], fields["quality"]),
        "## What to mind",
        TO_MIND,
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(fields: Mapping[str, Any]) -> list[str]:
    model, reads = fields["model"], task_part(fields["task"], "quality").READS
    parents = ", ".join(f"{parent['name']} ({parent['licence']})" for parent in fields["parents"])
    labels = [f"- Labels: {', '.join(fields['labels'])}"] if fields["labels"] else []
    labels += [f"- Of these, {SEVERAL}; {_thresholds(fields)}"] if "thresholds" in model else []
    pairs = PAIRS if "pairs" in model else ""
    return [
        *labels,
        f"- Format: {model['format']}, {model['quantization']}, "
        f"{model['parameters'] / 1e6:.1f} million parameters",
        f"- Reads {pairs}{reads.format(max_tokens=model['max_tokens'])}.",
        f"- Made from: {parents}. Licence: {fields['licence']}; see LICENSE.",
    ]


def _thresholds(fields: Mapping[str, Any]) -> str:
    found = fields["model"]["thresholds"]
    least = ", ".join(
        f"{label} {share:.3g}"
        for label, share in zip(fields["labels"], found["labels"], strict=True)
    )
    if not found["rows"]:
        return f"for want of validation rows each is given from a score of a half ({least})."
    return f"each is given from a score that {found['rows']:,} validation rows chose ({least})."


def _step(step: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in step["settings"].items() if value)
    return f"{step['step']} ({settings})" if settings else str(step["step"])


def _quality(task: str, judged: Mapping[str, Any]) -> list[str]:
    found = quality.read(task, judged)
    if found is None:
        return ["It was not judged: the recipe named no test set."]
    return [*found.lines(), _table(found.card)]


def _table(section: Section) -> str:
    rows = [
        [section.head, *(measure.name for measure in section.measures)],
        ["---"] * (1 + len(section.measures)),
        *(
            [name, *map(or_dash, figures, (measure.form for measure in section.measures))]
            for name, figures in section.parts.items()
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
