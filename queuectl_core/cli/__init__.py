"""The command line: `main` finds the command, one module a command group does it, `render` shows what came of it.

A command module has SUMMARY, EXAMPLES, `add_arguments(parser)` and `run(args, screen) -> exit status`. Adding a
command is one such module and one line in `main.COMMANDS`. No command knows another.
"""
