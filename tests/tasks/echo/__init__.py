"""A made-up task: a text comes back with its label. What a new task is, in one folder."""
