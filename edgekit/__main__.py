"""`python -m edgekit` is the command line."""

from edgekit.cli import run_and_exit

if __name__ == "__main__":
    run_and_exit()
