"""The process that runs the commands of jobs, and its messages to and from the supervisor."""
