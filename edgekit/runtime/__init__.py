"""Engines that run a model file: numpy, tokenizers and onnxruntime or llama.cpp. Knows no task."""
