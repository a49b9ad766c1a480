"""The ledger that joins engine, journal, and store, and the answers to every request."""
