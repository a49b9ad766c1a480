"""Exposition: the metrics of a home as a monitoring program reads them; `metrics` and the web server print it."""

from __future__ import annotations

import sys

from . import __version__
from .api import Queue
from .storage.home_sizes import sizes_of
from .view.metrics_text import Reading, text_of


def metrics_text(queue: Queue) -> str:
    """Return the metrics of a home in the text format of Prometheus, version 0.0.4."""
    build = {"version": __version__, "python": sys.version.split()[0]}
    return text_of(Reading(queue.metrics(), sizes_of(queue.home), build))
