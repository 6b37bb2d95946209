"""Encoders and encoder-decoders as ONNX files: traced, quantized, proven."""
