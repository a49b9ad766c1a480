"""Homes as versions of the past have left them, and the program that packs them."""
