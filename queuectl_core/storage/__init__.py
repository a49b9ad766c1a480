"""What lies on disk: the journal, the dbm stores, the output of jobs."""
