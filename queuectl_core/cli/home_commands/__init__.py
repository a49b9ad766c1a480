"""Commands about a whole home, one module each."""
