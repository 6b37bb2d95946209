"""Answers from artifacts: numpy, tokenizers and an engine; never torch, transformers or onnx."""

BACKENDS = {"onnx/classification": "edgekit.runtime.onnx:open_classifier"}
"""`format/task` of an artifact to `open(artifact, files, *, threads) -> Engine`."""
