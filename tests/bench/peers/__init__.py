"""Peers: other queues, measured on the same work.

`programs` are those on the PATH. `libraries` are Python packages, which have their own environment;
`driver` and the `by_` modules drive them there.
"""
