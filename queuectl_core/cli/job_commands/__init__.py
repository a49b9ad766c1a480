"""Commands about jobs, one module each."""
