"""A GGUF that chats, through llama.cpp; in a worker process alone, for a bad file ends it."""
