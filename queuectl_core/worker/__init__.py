"""The process that runs the commands of jobs, and what it tells its supervisor."""
