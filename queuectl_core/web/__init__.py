"""The web page: an HTTP server, its security, its requests, and the files of the page."""
