"""The data on disk: the journal, the dbm stores, and the output of jobs."""
