"""The command line: `main` finds a command, the module of the command runs it, and `screen` prints the result.

A command module has SUMMARY, EXAMPLES, `add_arguments(parser)` and `run(args, screen) -> exit
status`. To add a command, write one module in `job_commands` or `home_commands`, and add one line
to `main.COMMANDS`.

Invariant: no command module imports another.
"""
