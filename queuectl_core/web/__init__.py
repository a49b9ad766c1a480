"""The web page: an HTTP server, its security, its fixed table of requests, and the files of the page."""
