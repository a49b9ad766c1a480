"""What becomes of every command, and which job runs next."""
