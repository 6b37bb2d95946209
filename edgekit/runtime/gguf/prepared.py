"""Prepares a text for llama.cpp as the GGUF's header asks. Loads no model.

llama.cpp supports neither Unicode normalization nor every way to begin a text; where a checkpoint's
tokenizer does either, edgekit's export says so in the header, under the keys below.
"""

from __future__ import annotations

import unicodedata
from typing import Literal, cast

NORMALIZE, PREPEND = "edgekit.tokenizer.normalize", "edgekit.tokenizer.prepend"
SPACES = (" ", "\u2581")


def prepared(text: str, *, normalize: str = "", prepend: str = "") -> str:
    """`normalize` is a Unicode form; `prepend` goes before texts that do not begin with a space."""
    if normalize:
        form = cast("Literal['NFC', 'NFD', 'NFKC', 'NFKD']", normalize)
        text = unicodedata.normalize(form, text)
    return prepend + text if text and not text.startswith(SPACES) else text
