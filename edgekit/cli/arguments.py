"""What options accept, checked by argparse: wrong usage is reported before anything is imported."""

from __future__ import annotations

import argparse


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not 1 or more")
    return int(text)
