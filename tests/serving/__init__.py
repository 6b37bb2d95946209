"""The server, asked over real sockets, with tiny real models in real worker processes."""
