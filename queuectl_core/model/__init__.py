"""The jobs, events, commands and settings of a queue, and how they become text and back."""
