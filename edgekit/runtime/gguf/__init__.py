"""Chat with a GGUF through llama.cpp. Only in a worker process: a bad file would abort it."""
