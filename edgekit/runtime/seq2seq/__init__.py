"""Encoder-decoder models: two ONNX files, and the search for the best summary in numpy."""
