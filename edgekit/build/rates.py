"""How fast this machine works on a model of one shape: measured, and remembered for a week."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.job.cost import Rates
from edgekit.system import machine, packages, paths
from edgekit.system.digest import sha256_json
from edgekit.system.disk import told_when_full

# Measured again after this long, or when the machine or the engine has changed.
RATES_LAST_SECONDS = 7 * 24 * 3600.0


# Enough for the time per token; more would only take more memory than the work itself.
MEASURED_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Size:
    """What of a model's size its speed depends on."""

    layers: int
    body_parameters: int
    """Parameters that are multiplied with every token."""


def rates(*, model: Path, size: Size, device: str, batch: int, length: int, window: int) -> Rates:
    """Rates for batches of (batch, length) tokens, from the cache or measured in a few seconds.

    `model` is the checkpoint's folder, one layer of which is measured; `window` is the most tokens
    that it reads at once. A batch of more than MEASURED_TOKENS is measured with fewer rows, at the
    same cost per token. OutOfDisk; CheckpointError where transformers cannot run the model.
    """
    # Measures few sizes: the next power of 2.
    length = min(max(8, 1 << (length - 1).bit_length()), window)
    batch = max(1, min(batch, MEASURED_TOKENS // length))
    config = (model / "config.json").read_text(encoding="utf-8")
    shape = [config, size.layers, device, batch, length]
    fields = sorted(Rates.__dataclass_fields__)  # another version may have other rates
    # Another transformers may not be able to run the model.
    engines = [packages.version(name) for name in ("torch", "transformers")]
    key = sha256_json([shape, machine.cpu_name(), machine.cores(), fields, engines])
    known = _read(paths.rates_file())
    entry = known.get(key)
    if entry and time.time() - entry["measured"] < RATES_LAST_SECONDS:
        return Rates(**entry["rates"])
    # torch is heavy, and a plan whose rates are known does not need it.
    from edgekit.build import speed

    measured = speed.measure(model, size, device=device, shape=(batch, length))
    if measured.guessed is not None:
        return measured  # not remembered: what was in the way may be gone the next time
    known[key] = {"measured": time.time(), "rates": asdict(measured)}
    path = paths.rates_file()
    with told_when_full("the list of this machine's rates", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        machine.write_safely(path, json.dumps(known, indent=1).encode())
    return measured


def _read(path: Path) -> dict[str, dict]:
    """The rates measured so far; a damaged file only means measuring again."""
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
