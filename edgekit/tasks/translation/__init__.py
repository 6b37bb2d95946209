"""Translations of texts of any length: sentence by sentence, in the text's own lines."""
