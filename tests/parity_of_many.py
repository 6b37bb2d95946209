"""A child process that compares several GGUF files with their checkpoints: torch loads but once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgekit.export import apart
from edgekit.export.llama import parity


def compare(pairs: Path) -> dict[str, Any]:
    """Answers by name for a JSON file of names, each with a checkpoint, a model and texts."""
    return {
        name: parity.compare(Path(checkpoint), Path(model), texts=texts, threads=1)
        for name, (checkpoint, model, texts) in json.loads(pairs.read_text("utf-8")).items()
    }


if __name__ == "__main__":
    sys.exit(apart.answer(lambda: compare(Path(sys.argv[1]))))
