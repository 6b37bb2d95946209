"""Speed, memory, cold start and size of an artifact, compared with its teacher's."""
