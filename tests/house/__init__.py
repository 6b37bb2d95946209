"""How the code is laid out, as tests: floors, circles, sizes, and what tells tasks apart."""
