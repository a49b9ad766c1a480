"""Commands about jobs: one module for each command."""
