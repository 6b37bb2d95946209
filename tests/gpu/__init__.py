"""What a GPU computes beside what this machine's CPU does: `make check-gpu`."""
