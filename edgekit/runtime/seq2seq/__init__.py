"""Encoder-decoder models: two ONNX files, and beam search for the best summary in numpy."""
