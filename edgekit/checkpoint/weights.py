"""Which files of a folder hold its weights, as transformers decides it, and what their headers say.

Every reader of weights asks here. Reads no weight and knows no model; only safetensors, because
pickles can run programs.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
# Whose layout a file has: with another, transformers looks for another library.
_LAYOUTS = ("pt", "mlx", None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies in its file."""

    path: Path
    kind: str
    """Its dtype, as safetensors calls it."""
    shape: tuple[int, ...]
    offset: int
    """From the start of the file, in bytes."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The files that are read, and those that look as if they were."""

    files: tuple[Path, ...]
    index: Mapping[str, str] | None
    """The file of each tensor, where an index says it."""
    unread: tuple[str, ...]

    @property
    def note(self) -> str | None:
        """What somebody must know who did not mean the files that are read; None if all are."""
        if not self.unread:
            return None
        read = self.files[0].name if self.index is None else INDEX
        others = ", ".join(self.unread[:3]) + (" …" if len(self.unread) > 3 else "")
        return (
            f"the weights are read from {read}, as transformers reads them; not read: {others}; "
            "delete what is out of date"
        )


def find(folder: Path) -> Weights:
    """One whole file comes before an index; what no index names is never read. CheckpointError."""
    _check_redirection(folder)
    if (folder / WHOLE).is_file():
        return _with_unread(folder, (folder / WHOLE,), None)
    if (folder / INDEX).is_file():
        index = _read_index(folder)
        names = sorted(set(index.values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise CheckpointError(
                f"{folder}: {len(missing)} of {len(names)} weight files are missing "
                f"(first: {missing[0]}); copy the whole folder again."
            )
        return _with_unread(folder, tuple(folder / name for name in names), index)
    pickles = [path.name for pattern in PICKLES for path in folder.glob(pattern)]
    if pickles:
        raise CheckpointError(
            f"{folder}: its weights are only in {pickles[0]}, a format that can run programs; "
            "save them as safetensors where you trust them: model.save_pretrained(folder)."
        )
    raise CheckpointError(f"{folder}: there is no {WHOLE}; copy the whole folder again.")


def places(folder: Path) -> dict[str, Place]:
    """Every tensor of a checkpoint by name; CheckpointError if a file is cut or of another save."""
    found: dict[str, Place] = {}
    weights = find(folder)
    for path in weights.files:
        for name, place in read_header(path).items():
            said = path.name if weights.index is None else weights.index.get(name)
            # As in transformers, a tensor that the index does not name is no part of the model.
            if said is None:
                continue
            if said != path.name:
                raise CheckpointError(
                    f"{path}: it holds '{name}', which {INDEX} places in {said}; the folder mixes "
                    "the files of two saves, copy it again."
                )
            found[name] = place
    lost = [name for name in weights.index or () if name not in found]
    if lost:
        raise CheckpointError(
            f"{folder}: {INDEX} names {len(lost)} weights that its files do not hold (first: "
            f"'{lost[0]}'); copy the whole folder again."
        )
    return found


def copy(source: Path, out: Path) -> None:
    """Copies the files that are read, and no other."""
    weights = find(source)
    for path in weights.files:
        shutil.copyfile(path, out / path.name)
    if weights.index is not None:
        # transformers fails where there is no "metadata", which nobody needs.
        document = {"metadata": {}, **read_json(source / INDEX)}
        (out / INDEX).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def remove(folder: Path) -> None:
    """Makes room for other weights in a folder of edgekit's own."""
    for old in [*folder.glob("*.safetensors"), folder / INDEX]:
        old.unlink(missing_ok=True)


def read_header(path: Path) -> dict[str, Place]:
    """What the JSON header of a safetensors file says; CheckpointError if the file is cut."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(100_000_000, size - 8):
            raise CheckpointError(f"{path}: this is no safetensors file; copy it again.")
        try:
            header = json.loads(stream.read(length))
            layout = (header.pop("__metadata__", None) or {}).get("format")
            found = {name: _place(path, 8 + length, entry) for name, entry in header.items()}
            ends = [int(entry["data_offsets"][1]) for entry in header.values()]
        except (ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
            raise CheckpointError(f"{path}: its header is damaged; copy it again.") from error
    said = 8 + length + max(ends, default=0)
    if size != said:
        raise CheckpointError(
            f"{path}: {size:,} bytes where its header says {said:,}; the file is cut or damaged, "
            "copy it again."
        )
    if layout not in _LAYOUTS:
        raise CheckpointError(
            f"{path}: its header says that the weights have the layout of {layout!r}; save them "
            "with PyTorch: model.save_pretrained(folder)."
        )
    return found


def _place(path: Path, start: int, entry: Mapping[str, Any]) -> Place:
    shape = tuple(entry["shape"])
    math.prod(shape)
    return Place(path, str(entry["dtype"]), shape, start + int(entry["data_offsets"][0]))


def _check_redirection(folder: Path) -> None:
    """A key of config.json, and an adapter in the folder, make transformers read other weights."""
    if (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{folder / 'adapter_config.json'}: an adapter lies in the checkpoint's folder, and "
            "transformers would apply it to yet another one; move it into a folder of its own and "
            "name that as `adapter`, or delete it if it is merged already."
        )
    config = folder / "config.json"
    if config.is_file() and "transformers_weights" in read_json(config):
        raise CheckpointError(
            f"{config}: 'transformers_weights' names the file of the weights; rename that file to "
            f"{WHOLE} and remove the key."
        )


def _read_index(folder: Path) -> dict[str, str]:
    path = folder / INDEX
    document = read_json(path)
    found = document.get("weight_map")
    if not isinstance(found, dict) or not found:
        raise CheckpointError(
            f"{path}: 'weight_map', which names the files, is missing; copy it again."
        )
    for name in found.values():
        if Path(str(name)).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{path}: {name!r} is not the name of a safetensors file in the same folder; copy "
                "the whole folder again."
            )
    return found


def _with_unread(folder: Path, files: tuple[Path, ...], index: Mapping[str, str] | None) -> Weights:
    beside = sorted({*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")})
    read = {*files, folder / INDEX} if index is not None else {*files}
    return Weights(files, index, tuple(path.name for path in beside if path not in read))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of the folder; CheckpointError if there is none."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; the folder must be a whole Hugging Face folder.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: this is not JSON ({error}); copy the file again."
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: this must be a JSON object; copy the file again.")
    return value
