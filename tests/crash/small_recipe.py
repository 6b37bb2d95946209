"""A build in small, to be killed: three steps, the first long and resuming, then an output.

The first step makes a part of its work as an entry of its own, which other steps could share.

    python small_recipe.py STORE OUT [--pause SECONDS] [--die-at N] [--one-save]

--die-at kills this process, with -9, at the Nth thing that the store announces, and --one-save
after the first progress that it saves.
"""

import argparse
import functools
import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

from edgekit.store.progress import load_progress, save_progress
from edgekit.store.store import PROGRESS, Store

ITERATIONS = 40
SAVE_EVERY = 8
CHUNK = 64 * 1024


def tabulate(folder: Path, *, pause: float) -> dict[str, object]:
    with (folder / "table.bin").open("wb") as stream:
        for piece in range(4):
            stream.write(bytes([piece]) * 1000)
            stream.flush()
            time.sleep(pause)
    return {"pieces": 4}


def train(folder: Path, *, store: Store, pause: float, one_save: bool) -> dict[str, object]:
    """Each iteration depends on all before it, so that one lost or done twice shows."""
    table = store.run("table", {}, functools.partial(tabulate, pause=pause))
    progress = load_progress(folder / PROGRESS)
    first, weights = 0, (table.folder / "table.bin").read_bytes()
    if progress is not None:
        first = progress.state["iterations"]
        weights = (progress.folder / "weights.bin").read_bytes()
    for iteration in range(first, ITERATIONS):
        weights = hashlib.sha256(weights + iteration.to_bytes(4)).digest()
        time.sleep(pause)
        if (iteration + 1) % SAVE_EVERY == 0:
            save_progress(
                folder / PROGRESS,
                lambda empty, weights=weights: _write(empty / "weights.bin", weights),
                state={"iterations": iteration + 1},
            )
            if one_save:
                _die()
    _write(folder / "weights.bin", weights)
    return {"iterations": ITERATIONS}


def widen(folder: Path, *, given: Path, pause: float) -> dict[str, object]:
    """Large files, written piece by piece."""
    weights = (given / "weights.bin").read_bytes()
    (folder / "layers").mkdir()
    for layer in range(4):
        with (folder / "layers" / f"{layer}.bin").open("wb") as stream:
            for piece in range(8):
                stream.write(hashlib.sha256(weights + bytes([layer, piece])).digest() * 2048)
                stream.flush()
                time.sleep(pause / 4)
    return {"layers": 4}


def pack(folder: Path, *, given: Path) -> dict[str, object]:
    layers = [path.read_bytes() for path in sorted((given / "layers").iterdir())]
    _write(folder / "model.bin", b"".join(layers))
    return {"bytes": sum(map(len, layers))}


def build(store: Store, out: Path, *, pause: float, one_save: bool) -> None:
    trained = store.run(
        "train", {}, functools.partial(train, store=store, pause=pause, one_save=one_save)
    )
    widened = store.run(
        "widen",
        {"from": trained.digest},
        functools.partial(widen, given=trained.folder, pause=pause),
    )
    packed = store.run(
        "pack", {"from": widened.digest}, functools.partial(pack, given=widened.folder)
    )
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in packed.digests:
        shutil.copy(packed.folder / name, partial / name)
    shutil.rmtree(out, ignore_errors=True)
    partial.replace(out)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--die-at", type=int, default=-1)
    parser.add_argument("--one-save", action="store_true")
    settings = parser.parse_args()
    heard: list[str] = []

    def hear(point: str) -> None:
        heard.append(point)
        if len(heard) == settings.die_at:
            _die()

    with Store(settings.store, budget_bytes=10**9, on_commit=hear) as store:
        build(store, settings.out, pause=settings.pause, one_save=settings.one_save)


if __name__ == "__main__":
    main()
