"""What a build asks of a chat model: predictions beside its parent, and a verdict."""
