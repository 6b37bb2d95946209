"""How sizes, times, languages and names are shown. Imports nothing of edgekit but errors."""
