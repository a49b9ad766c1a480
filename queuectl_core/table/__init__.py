"""The current jobs, in memory over a store."""
