"""The contents of people's files: rows, records, documents, sentences. Knows no model."""
