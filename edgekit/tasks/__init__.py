"""A task is one folder: its verbs, how they are answered, and in proof/ how they are judged."""
