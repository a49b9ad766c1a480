"""README and docs/: console blocks print what stands there, links lead somewhere, and the layout fits a page."""

from __future__ import annotations

import os
import re

import pytest

from tests import readme
from tests.homes import ROOT, CommandLine

PAGES = readme.pages()
WITH_CONSOLE = [page for page in PAGES if readme.steps(readme.read(page))]
WRITTEN = [*PAGES, *(page for page in ("CONTRIBUTING.md", "SECURITY.md") if os.path.exists(os.path.join(ROOT, page)))]


@pytest.mark.parametrize("page", WITH_CONSOLE)
def test_the_console_blocks_say_what_a_person_would_see(page: str, queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "work")
    os.mkdir(folder)
    for command, expected in readme.steps(readme.read(page)):
        seen = readme.plain_paths(readme.run(command, queuectl.home, folder), folder)
        assert readme.comparable(seen) == readme.comparable(expected), command


def test_no_console_block_is_lost() -> None:
    assert {"README.md", "docs/commands.md"} <= {*WITH_CONSOLE}
    assert sum(len(readme.steps(readme.read(page))) for page in WITH_CONSOLE) > 60


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", readme.read(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", WRITTEN)
def test_every_link_leads_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", readme.read(page)):
        path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
        assert os.path.exists(os.path.join(ROOT, path)), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/\w[\w-]*\.md)", readme.read("README.md")))
    assert {page for page in PAGES if page.startswith("docs/")} <= linked


@pytest.mark.parametrize("page", ["docs/architecture.md", "README.md"])
def test_every_module_named_in_a_document_exists_and_the_codemap_names_all(page: str) -> None:
    text = readme.read(page)
    package = os.path.join(ROOT, "queuectl_core")
    if page.endswith("architecture.md"):
        files = {file for _, _, found in os.walk(package) for file in found if file.endswith(".py")}
        modules = {file[:-3] for file in files if not file.startswith("__")}
        assert not [module for module in modules if f"`{module}`" not in text]
    for module in re.findall(r"`(?:\w+/)*(\w+\.py)`", text):
        assert [file for _, _, files in os.walk(ROOT) for file in files if file == module], module
