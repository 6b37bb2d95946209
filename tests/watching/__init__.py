"""Tests of early warning, and how often it is wrong."""
