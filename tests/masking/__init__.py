"""Tests of what is masked, and of what is not."""
