"""Peers: other queues, measured at the same work. `programs` are those on the PATH; `libraries` are Python's, which
live in an environment of their own and are driven there by `driver` and the `by_` modules.
"""
