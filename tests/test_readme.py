"""README and docs/: console blocks print the documented output, links work, and the layout fits a
page.
"""

from __future__ import annotations

import os
import re
import sys
from xml.etree import ElementTree

import pytest

from tests import readme
from tests.homes import ROOT, CommandLine

sys.path.insert(0, os.path.join(ROOT, "docs"))

import picture

PAGES = readme.pages()
WITH_CONSOLE = [page for page in PAGES if readme.steps(readme.read(page))]
WRITTEN = [*PAGES, "CONTRIBUTING.md", "SECURITY.md"]


@pytest.mark.parametrize("page", WITH_CONSOLE)
def test_console_blocks_show_the_real_output(page: str, queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "work")
    readme.prepare(readme.read(page), folder)
    for command, expected in readme.steps(readme.read(page)):
        seen = readme.plain_paths(readme.run(command, queuectl.home, folder), folder)
        assert readme.comparable(seen) == readme.comparable(expected), command


def test_all_console_blocks_are_found() -> None:
    assert {"README.md", "docs/commands.md"} <= {*WITH_CONSOLE}
    assert sum(len(readme.steps(readme.read(page))) for page in WITH_CONSOLE) > 60


def test_the_picture_shows_the_real_output() -> None:
    with open(picture.PICTURE, encoding="utf-8") as file:
        drawn = file.read()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert readme.comparable(picture.text_of(drawn)) == readme.comparable(picture.session())


def test_the_picture_of_top_shows_all_parts_of_its_screen() -> None:
    """The numbers differ from run to run, so this compares what does not."""
    with open(picture.SCREEN, encoding="utf-8") as file:
        drawn = file.read()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    fresh = picture.drawn_screen(picture.screen(), 100)
    for text in ("3/3 workers busy", "LATENCY", "queue slow is paused", "train-small", "epoch 5: loss 0.4", "filter"):
        assert text in drawn and text in fresh, text


def test_a_picture_contains_its_text() -> None:
    assert picture.text_of(picture.drawn("$ a <b> & 'c'\n  d\n")) == "$ a <b> & 'c'\n  d\n"


def test_the_readme_is_short() -> None:
    assert readme.read("README.md").count("\n") <= 200


def prose(page: str) -> list[str]:
    """Return the lines of a page outside of its code blocks."""
    return re.sub(r"^```.*?^```$", "", readme.read(page), flags=re.MULTILINE | re.DOTALL).splitlines()


@pytest.mark.parametrize("page", WRITTEN)
def test_no_table_is_wider_than_a_page(page: str) -> None:
    cells = [cell.strip() for line in prose(page) if line.startswith("|") for cell in re.split(r"(?<!\\)\|", line)]
    assert not [cell for cell in cells if len(re.sub(r"\]\([^)]*\)", "]", cell)) > 80]


@pytest.mark.parametrize("page", WRITTEN)
def test_a_line_has_one_sentence(page: str) -> None:
    lines = [line for line in prose(page) if not line.startswith(("|", "#"))]
    assert not [line for line in lines if re.search(r"[\w`)]{2}[.!?] [A-Z`\[]", line)]


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", readme.read(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", WRITTEN)
def test_every_link_has_a_target(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", readme.read(page)):
        path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
        assert os.path.exists(os.path.join(ROOT, path)), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_the_readme_links_to_every_page() -> None:
    linked = set(re.findall(r"\]\((docs/\w[\w-]*\.md)", readme.read("README.md")))
    assert {page for page in PAGES if page.startswith("docs/")} <= linked


@pytest.mark.parametrize("page", ["docs/architecture.md", "README.md"])
def test_documents_name_only_existing_modules_and_the_codemap_names_all(page: str) -> None:
    text = readme.read(page)
    package = os.path.join(ROOT, "queuectl_core")
    if page.endswith("architecture.md"):
        files = {file for _, _, found in os.walk(package) for file in found if file.endswith(".py")}
        modules = {file[:-3] for file in files if not file.startswith("__")}
        assert not [module for module in modules if f"`{module}`" not in text]
    for module in re.findall(r"`(?:\w+/)*(\w+\.py)`", text):
        assert [file for _, _, files in os.walk(ROOT) for file in files if file == module], module
