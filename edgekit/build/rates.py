"""How fast this machine works on a model of one shape: measured, and remembered for a week."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from edgekit.job.cost import Rates
from edgekit.system import machine, paths
from edgekit.system.digest import sha256_json
from edgekit.system.disk import told_when_full

# Measured again after this long, or when the machine or the engine has changed.
RATES_LAST_SECONDS = 7 * 24 * 3600.0


# Enough for the time per token; more would only take more memory than the work itself.
MEASURED_TOKENS = 2048


def rates(*, config: Path, layers: int, device: str, batch: int, length: int) -> Rates:
    """Rates for batches of (batch, length) tokens, from the cache or measured in a few seconds.

    `config` is the checkpoint's config.json, one layer of which is measured. A batch of more than
    MEASURED_TOKENS is measured with fewer rows, at the same cost per token. OutOfDisk.
    """
    length = max(8, 1 << (length - 1).bit_length())  # measures few sizes: the next power of 2
    batch = max(1, min(batch, MEASURED_TOKENS // length))
    shape = [config.read_text(encoding="utf-8"), layers, device, batch, length]
    fields = sorted(Rates.__dataclass_fields__)  # another version may have other rates
    key = sha256_json([shape, machine.cpu_name(), machine.cores(), fields])
    known = _read(paths.rates_file())
    entry = known.get(key)
    if entry and time.time() - entry["measured"] < RATES_LAST_SECONDS:
        return Rates(**entry["rates"])
    # torch is heavy, and a plan whose rates are known does not need it.
    from edgekit.build import speed

    measured = speed.measure(config, layers=layers, device=device, shape=(batch, length))
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
