"""`trim_vocab`: keeps the pieces of the vocabulary that the languages need."""
