"""Manual pages: one for each command, without a complaint of mandoc, in a wheel and after `completion install`."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from queuectl_core import errors
from queuectl_core.cli.main import COMMANDS, definitions
from queuectl_core.cli.shell import man_pages
from queuectl_core.cli.shell.parser_texts import options_of
from tests.homes import ROOT, CommandLine
from tests.test_docs import PARSERS

NAMES = ["queuectl.1", *(f"queuectl-{name}.1" for name in COMMANDS)]
PAGES = man_pages.pages("2026-11-30")


def plain(page: str) -> str:
    """Return a page without the escapes of roff."""
    return page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")


def test_every_command_has_a_page() -> None:
    assert [*PAGES] == NAMES
    assert all(f"queuectl-{name} (1)" in plain(PAGES["queuectl.1"]) for name in COMMANDS)


@pytest.mark.parametrize("words", [words for words, _ in definitions()])
def test_a_page_has_every_option(words: str) -> None:
    page = plain(PAGES[f"queuectl-{words.split()[0]}.1"])
    assert not [one.option_strings[-1] for one in options_of(PARSERS[words]) if one.option_strings[-1] not in page]


def test_every_exit_status_is_on_the_page() -> None:
    assert {str(error.exit_status) for error in errors.every_error()} <= {*man_pages.EXIT_STATUSES}


def test_text_is_no_request_of_roff() -> None:
    assert man_pages._text(".so /etc/passwd\\n-`'") == [r"\&.so /etc/passwd\en\-\(ga\(aq"]


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_accepts_every_page(tmp_path: object) -> None:
    paths = man_pages.write_pages(str(tmp_path))
    checked = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *paths], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_completion_install_writes_the_pages(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    queuectl.environ.update(HOME=folder, XDG_DATA_HOME=os.path.join(folder, "data"), XDG_CONFIG_HOME=folder)
    manual = os.path.join(folder, "data", "man", "man1")
    assert f"wrote {len(NAMES)} manual pages to {manual}\n" in queuectl.ok("completion", "install")
    assert sorted(os.listdir(manual)) == sorted(NAMES)


def test_a_wheel_has_the_pages(tmp_path: object) -> None:
    source = os.path.join(str(tmp_path), "source")
    os.mkdir(source)
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(os.path.join(ROOT, name), source)
    shutil.copytree(
        os.path.join(ROOT, "queuectl_core"), os.path.join(source, "queuectl_core"), ignore=shutil.ignore_patterns("__pycache__")
    )
    pytest.importorskip("setuptools", minversion="61", reason="setuptools 61 is not installed")
    code = f"import sys; from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    built = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    if "No module named 'wheel'" in built.stderr or "invalid command 'bdist_wheel'" in built.stderr:
        pytest.skip("wheel is not installed")
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(glob.glob(os.path.join(str(tmp_path), "*.whl"))[0]) as wheel:
        pages = [name for name in wheel.namelist() if "/share/man/man1/" in name]
    assert sorted(map(os.path.basename, pages)) == sorted(NAMES)
