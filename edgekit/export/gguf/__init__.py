"""Turns a checkpoint into a GGUF file, and proves and measures it. Imported when used."""
