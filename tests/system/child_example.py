"""A child as system/child.py runs them: tells fractions, then answers or dies as it is told."""

from __future__ import annotations

import os
import sys
from typing import Any

from edgekit.errors import DataError
from edgekit.system.child import answer, tell


def _work() -> dict[str, Any]:
    tell(0.25)
    print("llama.cpp says something")
    tell(0.5)
    if sys.argv[1] == "abort":
        sys.stdout.flush()
        os.abort()
    if sys.argv[1] == "refuse":
        raise DataError("rows.csv: it is empty; fill it.")
    return {"said": sys.argv[1]}


if __name__ == "__main__":
    sys.exit(answer(_work))
