"""edgekit: small offline models from fine-tuned ones. Importing this imports nothing heavy."""

__version__ = "0.1.0"
