"""What connects the commands with a shell and a system: completions, manual pages, and service files."""
