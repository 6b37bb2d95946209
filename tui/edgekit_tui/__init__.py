"""The terminal app: any artifact, used offline in one's own language, on an 80x24 terminal."""
