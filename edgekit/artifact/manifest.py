"""The contents of `manifest.json` as frozen types, and their canonical form. Opens no file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.artifact import specs
from edgekit.artifact.refusals import told
from edgekit.artifact.sections import Section
from edgekit.artifact.specs import (
    ChatSpec,
    FamiliarSpec,
    SummarySpec,
    ThresholdSpec,
    TranslationSpec,
)
from edgekit.errors import ArtifactError, IntegrityError
from edgekit.system.digest import canonical_json, sha256_json
from edgekit.wording.language_codes import normal

FORMAT_VERSION = 1
SPECS = ("chat", "familiar", "summary", "thresholds", "translation")
"""Parts of `model` that only some tasks have."""
MANIFEST = "manifest.json"
UPPER_CASE_NAMES = frozenset({"LICENSE", "MODEL_CARD.md"})

# Names that every system accepts: no separators, nothing hidden, no trailing dot, no device name.
_NAME = re.compile(r"(?!\.)[a-z0-9._-]{1,100}(?<!\.)")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    path: str
    """A bare name; an artifact has no folders inside."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    format: str
    files: tuple[str, ...]
    """The files that hold weights."""
    quantization: str
    parameters: int
    max_tokens: int
    """The model's window, special tokens and prefix included."""
    prefix: str
    """Put before every text, as in training."""
    temperature: float
    """Logits are divided by it before the softmax."""
    abstain_below: float
    """Answers with a lower score are marked as abstained; with 0 none are."""
    chat: ChatSpec | None = None
    """None for other tasks, whose manifests lack it."""
    summary: SummarySpec | None = None
    """None for other tasks, whose manifests lack it."""
    thresholds: ThresholdSpec | None = None
    """None where a text has one label, by softmax; such manifests lack it."""
    translation: TranslationSpec | None = None
    """None for other tasks, whose manifests lack it."""
    familiar: FamiliarSpec | None = None
    """None where it was not measured, or tells too little; such manifests lack it."""
    pairs: bool = False
    """Whether each input is a pair of texts; the manifests of models of single texts lack it, and
    an edgekit that does not know it refuses the others."""


@dataclass(frozen=True, slots=True)
class Needs:
    disk_bytes: int
    ram_bytes: int
    cpu: str


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    task: str
    languages: tuple[str, ...]
    labels: tuple[str, ...]
    """In the order of the logits."""
    model: ModelSpec
    files: tuple[FileEntry, ...]
    """Every file of the folder except the manifest."""
    needs: Needs
    quality: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]
    recipe: Mapping[str, Any]
    lock: Mapping[str, Any]
    licence: str
    parents: tuple[Any, ...]
    digest: str
    """sha256 of the canonical JSON of all other fields; it identifies the artifact."""

    def file(self, name: str) -> FileEntry:
        for entry in self.files:
            if entry.path == name:
                return entry
        raise ArtifactError(
            f"The artifact '{self.name}' has no file '{name}', which this work needs; "
            "build it again."
        )

    def as_json(self) -> dict[str, Any]:
        """The manifest as it is written to the file."""
        value = {"format_version": FORMAT_VERSION, **asdict(self)}
        for name in SPECS:
            if value["model"][name] is None:
                del value["model"][name]
        if not self.model.pairs:
            del value["model"]["pairs"]
        return dict(json.loads(json.dumps(value)))


PAIRS = "pairs of texts: "
"""Said before what an artifact with `pairs` reads."""
SEVERAL = "a text may have several of them or none"
"""Said of labels that have thresholds."""


def encode(fields: Mapping[str, Any]) -> bytes:
    """The bytes of a manifest with these fields; format_version and digest are added.

    Raises ArtifactError if a reader would refuse them.
    """
    try:
        # Once through JSON: keys become strings and tuples lists, as a reader will see them.
        body = json.loads(json.dumps({"format_version": FORMAT_VERSION, **fields}))
        data = canonical_json({**body, "digest": sha256_json(body)})
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"The manifest has a value that JSON cannot hold ({error}); "
            "use texts, finite numbers, lists and mappings."
        ) from error
    decode(data)
    return data


def decode(data: bytes) -> Manifest:
    """Reads the bytes of a manifest; refuses any that `encode` would not have written.

    Raises IntegrityError for bytes that were changed, and ArtifactError for fields that this
    version does not know.
    """
    try:
        value = json.loads(data)
        digest = value.pop("digest")
        whole = canonical_json({**value, "digest": digest}) == data
        right = whole and digest == sha256_json(value)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        right = False
    if not right:
        raise IntegrityError(told("manifest-changed", {}))
    return _parse(value, digest)


def check_name(name: str) -> None:
    """Raises ArtifactError unless `name` is a valid file name on every system."""
    good = name in UPPER_CASE_NAMES or (_NAME.fullmatch(name) and not _DEVICE.fullmatch(name))
    if not good:
        raise ArtifactError(
            f"An artifact cannot have a file named {name!r}; a name has up to 100 of a-z, 0-9, "
            "'.', '_' and '-', and neither begins nor ends with a dot."
        )


def _parse(value: dict[str, Any], digest: str) -> Manifest:
    top = Section(value, MANIFEST)
    version = top.integer("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(told("format-unknown", {"format": version, "known": FORMAT_VERSION}))
    manifest = Manifest(
        name=top.text("name"),
        task=top.text("task"),
        # Earlier versions wrote codes as the recipe spelt them, and rows are read in one spelling.
        languages=tuple(dict.fromkeys(map(normal, top.texts("languages")))),
        labels=top.texts("labels"),
        model=_model(top.section("model")),
        files=tuple(_file(section) for section in top.sections("files")),
        needs=_needs(top.section("needs")),
        quality=top.mapping("quality"),
        steps=top.mappings("steps"),
        recipe=top.mapping("recipe"),
        lock=top.mapping("lock"),
        licence=top.text("licence"),
        parents=tuple(top.values("parents")),
        digest=digest,
    )
    top.finish()
    check_name(manifest.name)
    _check_files(manifest)
    _check_labels(manifest)
    return manifest


def _model(section: Section) -> ModelSpec:
    spec = ModelSpec(
        format=section.text("format"),
        files=section.texts("files"),
        quantization=section.text("quantization"),
        parameters=section.integer("parameters"),
        max_tokens=section.integer("max_tokens"),
        prefix=section.raw_text("prefix"),
        temperature=section.number("temperature"),
        abstain_below=section.number("abstain_below"),
        chat=specs.chat(section.section("chat")) if section.has("chat") else None,
        summary=specs.summary(section.section("summary")) if section.has("summary") else None,
        thresholds=specs.thresholds(section.section("thresholds"))
        if section.has("thresholds")
        else None,
        translation=specs.translation(section.section("translation"))
        if section.has("translation")
        else None,
        familiar=specs.familiar(section.section("familiar")) if section.has("familiar") else None,
        pairs=section.has("pairs") and section.flag("pairs"),
    )
    section.finish()
    if not (spec.temperature > 0 and 0 <= spec.abstain_below <= 1 and spec.max_tokens > 0):
        raise ArtifactError(
            f"{section.place}: temperature and max_tokens must be over 0 and abstain_below "
            "between 0 and 1; build the artifact again."
        )
    return spec


def _needs(section: Section) -> Needs:
    needs = Needs(
        disk_bytes=section.integer("disk_bytes"),
        ram_bytes=section.integer("ram_bytes"),
        cpu=section.text("cpu"),
    )
    section.finish()
    return needs


def _file(section: Section) -> FileEntry:
    entry = FileEntry(
        path=section.text("path"),
        size_bytes=section.integer("size_bytes"),
        sha256=section.text("sha256"),
    )
    section.finish()
    check_name(entry.path)
    if not _SHA256.fullmatch(entry.sha256):
        raise ArtifactError(f"{section.place}.sha256 is no sha256; build the artifact again.")
    return entry


def _check_files(manifest: Manifest) -> None:
    # On some systems 'license' and 'LICENSE' are the same file.
    names = [entry.path.lower() for entry in manifest.files]
    if len(set(names)) != len(names) or MANIFEST in names:
        raise ArtifactError(f"{MANIFEST}: a file is listed twice; build the artifact again.")
    for name in manifest.model.files:
        manifest.file(name)


def _check_labels(manifest: Manifest) -> None:
    if len(set(manifest.labels)) != len(manifest.labels):
        raise ArtifactError(f"{MANIFEST}: a label is listed twice; build the artifact again.")
    found = manifest.model.thresholds
    counts = {len(found.labels), len(found.teacher)} if found else {len(manifest.labels)}
    if counts != {len(manifest.labels)}:
        raise ArtifactError(
            f"{MANIFEST}: there is not one threshold for each label; build the artifact again."
        )
