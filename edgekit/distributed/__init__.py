"""One artifact on many processes and machines: a handle that travels, and files in parts."""
