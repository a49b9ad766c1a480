"""After tag: the jobs that a new job waits for, while they start and end."""

from __future__ import annotations

from collections.abc import Iterator

from queuectl_core.cli.after_tag import tagged


class Listings:
    """A queue whose listings differ: a job that starts between two pages of the first one is in neither."""

    def __init__(self, *listings: list[list[str]]) -> None:
        self.left = list(listings)

    def select(self, **wanted: object) -> Iterator[list[str]]:
        yield from self.left.pop(0)


def test_a_job_that_one_listing_misses_is_found() -> None:
    found = [["a", "b"]], [["b"], ["c"]], [["c"]]
    assert tagged(Listings(*found), ["t=x"]) == ["a", "b", "c"]  # type: ignore[arg-type]
