"""Checks of a home, and a new home from a damaged one or from a backup."""
