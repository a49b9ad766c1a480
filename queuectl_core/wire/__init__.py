"""Both sides of the control socket."""
