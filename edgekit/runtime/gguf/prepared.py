"""What a GGUF's header says must be done to a text before llama.cpp reads it. Loads no model.

llama.cpp knows neither Unicode normalization nor every way to begin a text; an export of edgekit
writes what the checkpoint's tokenizer does of these into the header, under the keys below.
"""

from __future__ import annotations

import unicodedata
from typing import Literal, cast

NORMALIZE, PREPEND = "edgekit.tokenizer.normalize", "edgekit.tokenizer.prepend"
SPACES = (" ", "\u2581")


def prepared(text: str, *, normalize: str = "", prepend: str = "") -> str:
    """`normalize` is a form of Unicode; `prepend` begins a text that no space begins."""
    if normalize:
        form = cast("Literal['NFC', 'NFD', 'NFKC', 'NFKD']", normalize)
        text = unicodedata.normalize(form, text)
    return prepend + text if text and not text.startswith(SPACES) else text
