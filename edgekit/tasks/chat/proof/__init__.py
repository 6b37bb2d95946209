"""What a build asks of a chat model: predictions compared with its parent's, and a verdict."""
