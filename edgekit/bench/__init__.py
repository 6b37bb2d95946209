"""Speed, memory, cold start and size of an artifact, beside those of its teacher."""
