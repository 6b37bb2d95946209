"""Puts an artifact's folder together: model, golden answers, card, licence, manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.artifact import folder as artifacts
from edgekit.artifact.folder import Artifact
from edgekit.build import card
from edgekit.checkpoint import licences
from edgekit.checkpoint.describe import describe
from edgekit.job.job import Exported
from edgekit.job.plan import Plan
from edgekit.judging.judged import Judged
from edgekit.recipe.recipe import Entry
from edgekit.system.disk import replacing


@dataclass(frozen=True, slots=True)
class Made:
    """What the steps and the export left, and how."""

    checkpoint: Path
    exported: Exported
    steps: Sequence[Mapping[str, Any]]
    lock: Mapping[str, Any]
    """Versions, digests and seed: everything needed to make the same bytes again."""


def artifact(plan: Plan, entry: Entry, made: Made, judged: Judged, *, folder: Path) -> Artifact:
    """Writes the artifact next to its place and moves it there once it is complete and on disk."""
    with replacing(folder) as partial:
        for name, path in judged.files.items():
            shutil.copyfile(path, partial / name)
        for name, value in judged.beside.items():
            if isinstance(value, str):
                (partial / name).write_text(value, encoding="utf-8")
            else:
                _write_json(partial / name, value)
        _write_json(partial / "golden.json", judged.golden)
        fields = _fields(plan, entry, made, judged, name=folder.name)
        (partial / "LICENSE").write_text(_licence(_sources(plan)), encoding="utf-8")
        (partial / "MODEL_CARD.md").write_text(card.text(fields), encoding="utf-8")
        artifacts.write(partial, fields)
    return artifacts.read(folder)


def _fields(plan: Plan, entry: Entry, made: Made, judged: Judged, *, name: str) -> dict[str, Any]:
    recipe, description = plan.bound.recipe, describe(made.checkpoint)
    origins = [licences.origin(folder) for folder in _sources(plan)]
    return {
        "name": name,
        "task": recipe.task,
        "languages": list(recipe.languages),
        "labels": list(plan.dataset.labels),
        "model": {
            "format": entry.name,
            "files": [next(iter(judged.files))],
            "quantization": made.exported.quantization,
            "parameters": description.parameters,
            "max_tokens": plan.max_tokens,
            "abstain_below": recipe.abstain_below or 0.0,
            **judged.model,
        },
        "needs": {"cpu": recipe.target.cpu or "any", "ram_bytes": judged.ram_bytes},
        "quality": dict(judged.quality),
        "steps": [*made.steps, _output_step(entry, made.exported)],
        "recipe": portable(plan.bound.document),
        "lock": dict(made.lock),
        # An SPDX expression: the terms of all licences apply.
        "licence": " AND ".join(dict.fromkeys(origin.licence for origin in origins)),
        "parents": [origin.as_json() for origin in origins],
    }


def _output_step(entry: Entry, exported: Exported) -> dict[str, Any]:
    settings = entry.settings.model_dump(mode="json")
    return {"step": entry.name, "settings": settings, "before": {}, "after": exported.record}


def portable(value: Any) -> Any:
    """A recipe without absolute paths: they reveal one machine, and mean nothing on another."""
    if isinstance(value, Mapping):
        return {key: portable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [portable(part) for part in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _sources(plan: Plan) -> list[Path]:
    """What the artifact's weights come from: the model, its adapter, and students."""
    named = [
        plan.bound.resolve(name) for entry in plan.bound.steps for name in entry.settings.files
    ]
    adapter = [] if plan.adapter is None else [plan.adapter]
    return [plan.model, *adapter, *(path for path in named if (path / "config.json").is_file())]


def _licence(folders: Sequence[Path]) -> str:
    """The texts of all licences; a sentence for a checkpoint that comes without one."""
    texts = []
    for folder in folders:
        found, origin = licences.files(folder), licences.origin(folder)
        texts += [path.read_text(encoding="utf-8", errors="replace") for path in found] or [
            f"The licence of weights that come from {origin.name} is that of this checkpoint: "
            f"{origin.licence}. Its folder holds no licence text.\n"
        ]
    return "\n\n".join(dict.fromkeys(texts))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
