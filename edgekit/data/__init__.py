"""What people's files hold: rows, records, documents, sentences. Knows no model."""
