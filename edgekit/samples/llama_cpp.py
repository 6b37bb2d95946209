"""llama.cpp's converter, out of llama-cpp-python's source package. Runs and imports none of it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from edgekit.checkpoint import converter
from edgekit.samples import packages, pinned
from edgekit.samples.packages import Package

PACKAGE = Package(
    "llama-cpp-python",
    converter.VERSION,
    f"llama_cpp_python-{converter.VERSION}.tar.gz",
    "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    source=True,
)
_ROOT = f"llama_cpp_python-{converter.VERSION}/vendor/llama.cpp/"
_PARTS = ("conversion/", "gguf-py/gguf/", "LICENSE")


def fetch() -> Path:
    """The folder with the converter, fetched by pip unless it is there. Raises SampleError."""
    place = converter.place()
    if (place / converter.READY).is_file():
        return place
    unpack(packages.fetch(PACKAGE), place)
    return place


def unpack(archive: Path, place: Path) -> None:
    """Writes what the converter needs into the folder, which is there afterwards or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llama.cpp-", dir=place.parent) as scratch:
        made = Path(scratch) / "made"
        with tarfile.open(archive) as opened:
            for name, content in pinned.members(opened, root=_ROOT):
                if name.startswith(_PARTS):
                    path = made / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        (made / converter.READY).touch()
        shutil.rmtree(place, ignore_errors=True)  # what an older edgekit left unfinished
        made.replace(place)
