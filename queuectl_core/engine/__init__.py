"""The decisions on commands, and the choice of the next job."""
