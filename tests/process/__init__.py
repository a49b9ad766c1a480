"""Tests of the command line, the supervisor and its workers as real processes."""
