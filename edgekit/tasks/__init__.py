"""A task is one folder: what is asked, how it is answered, and in proof/ how it is judged."""
