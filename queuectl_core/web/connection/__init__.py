"""Connections of the web server: who may connect, and what requests and replies look like as HTTP."""
