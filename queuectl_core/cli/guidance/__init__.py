"""Help beside that of each command: topics, other names of commands, and what a mistaken call may have meant."""
