"""The command line: `main` finds a command, its definition runs it, and `screen` prints the result.

A command is a module with SUMMARY, EXAMPLES, OPTIONS (see `fast_args`) and `run(queue, args, screen)`,
which returns the exit status, or None for 0. A module of several commands has a table COMMANDS of
objects with the same names. A group like `worker` has ACTIONS instead of OPTIONS. To add a command,
write a module in `job_commands` or `home_commands`, and add one line to `main.COMMANDS`.

Invariant: no command module imports another.
"""
