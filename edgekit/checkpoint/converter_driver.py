"""Runs llama.cpp's converter on a checkpoint, without its tokenizer. A program of its own.

The converter knows a tokenizer by the digest of one text's tokens, which a trimmed or an extended
one does not have; edgekit writes the tokenizer itself, and proves it. Imports nothing of edgekit.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Arguments: the folder of llama.cpp's sources, the checkpoint, the file to write."""
    sources, checkpoint, out = map(Path, sys.argv[1:])
    sys.path[:0] = [str(sources), str(sources / "gguf-py")]
    conversion, torch = import_module("conversion"), import_module("torch")
    told = conversion.ModelBase.load_hparams(checkpoint, False)
    name = conversion.get_model_architecture(told, conversion.ModelType.TEXT)
    kind = conversion.get_model_class(name)
    kind.set_vocab = lambda model: None
    if kind.supports_mtp_export:
        kind.no_mtp = True  # further heads that guess ahead: transformers leaves them out
    half = import_module("gguf").LlamaFileType.MOSTLY_F16
    with torch.inference_mode():
        kind(checkpoint, half, out).write()


if __name__ == "__main__":
    main()
