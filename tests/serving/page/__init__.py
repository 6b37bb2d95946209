"""The page for people, read and walked through in a browser."""
