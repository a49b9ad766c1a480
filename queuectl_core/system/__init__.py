"""Access to the operating system: files, locks, clocks, processes, and time zones."""
