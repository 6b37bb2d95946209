"""Answers from artifacts: numpy, tokenizers and an engine; never torch, transformers or onnx."""

BACKENDS = {
    "onnx/classification": "edgekit.runtime.onnx:open_classifier",
    "onnx/summarization": "edgekit.runtime.summaries.opening:open_summarizer",
    "gguf/chat": "edgekit.runtime.llama.engine:open_chat",
}
"""`format/task` of an artifact to `open(artifact, files, asked) -> Engine`."""

ISOLATED = frozenset({"gguf"})
"""Formats whose engine ends its process where a file is bad: they run in a worker, always."""
