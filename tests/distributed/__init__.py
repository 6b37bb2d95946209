"""Tests of handles, tables and files in parts."""
