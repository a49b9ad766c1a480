"""What the operating system gives: files, locks, clocks, processes, time zones."""
