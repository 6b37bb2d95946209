"""Encoder-decoder models as two ONNX files, proven text by text. Imports no torch by itself."""
