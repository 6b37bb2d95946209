"""The machine: memory, disk, processes, packages. Knows nothing of models."""
