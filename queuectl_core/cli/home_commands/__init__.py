"""Commands about a whole home: one module for each command."""
