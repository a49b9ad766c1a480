"""The command line: `main` finds the command, one module a command group does it, `screen` shows what came of it.

A command module has SUMMARY, EXAMPLES, `add_arguments(parser)` and `run(args, screen) -> exit status`. Adding a
command is one such module, in `job_commands` or `home_commands`, and one line in `main.COMMANDS`. No command knows
another.
"""
