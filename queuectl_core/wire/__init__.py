"""The control socket, from both sides."""
