"""The jobs as they are now, in memory over a store."""
