"""The documentation is complete: it names everything that the code has, and its generated parts are up to date."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from queuectl_core import errors
from queuectl_core.model.events import EVENT_NAMES
from queuectl_core.model.job import STATES
from queuectl_core.model.job_spec import BASIC_FIELDS, OPTIONS
from queuectl_core.model.settings import SETTINGS
from tests import readme
from tests.homes import ROOT, CommandLine

GENERATE = os.path.join(ROOT, "docs", "generate.py")
sys.path.insert(0, os.path.dirname(GENERATE))

import generate  # noqa: E402

VARIABLES = ("QUEUECTL_HOME", "QUEUECTL_STORE", "NO_COLOR")
PARSERS = generate.all_parsers()


def assert_documented(page: str, names: object) -> None:
    """Assert that a page has each name in backquotes."""
    text = readme.read(page)
    assert not [name for name in names if f"`{name}`" not in text]


def test_the_generated_parts_are_up_to_date() -> None:
    checked = subprocess.run([sys.executable, GENERATE, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_stale_part_is_found_and_rewritten() -> None:
    page = "before\n<!-- generated: states -->\nstale\n<!-- end -->\nafter\n"
    fresh = generate.generated(page)
    assert "stale" not in fresh and "| `pending` |" in fresh
    assert fresh.startswith("before\n") and fresh.endswith("<!-- end -->\nafter\n")
    assert generate.generated(fresh) == fresh


def test_every_part_is_on_a_page() -> None:
    used = [name for page in readme.pages() for _, name, _ in generate.MARKED.findall(readme.read(page))]
    assert sorted(used) == sorted(generate.PARTS)


@pytest.mark.parametrize("words", sorted(PARSERS))
def test_every_command_action_and_option_is_documented(words: str) -> None:
    text = readme.read("docs/commands.md")
    depth = "##" if " " not in words else "###"
    section = re.split(rf"\n#{{2,{len(depth)}}} ", text.partition(f"\n{depth} {words}\n")[2])[0]
    assert section, f"{words} has no section"
    for action in PARSERS[words]._actions:
        if action.option_strings and action.option_strings[-1] not in ("--help", "--home", "--json", "--quiet"):
            value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
            assert f"{action.option_strings[-1]}{value}`" in section, action.option_strings
            assert action.default in (None, False) or f"default {action.default}" in section.replace(":", "")


def test_the_options_of_every_command_are_documented() -> None:
    assert_documented("docs/commands.md", ("--home DIR", "--json", "--quiet", "--help", "--version"))


def test_every_name_in_the_code_is_documented() -> None:
    assert_documented("docs/settings.md", [*SETTINGS, *VARIABLES])
    assert_documented("docs/job-fields.md", [*STATES, *BASIC_FIELDS, *OPTIONS, *texts_of_a_record()])
    assert_documented("docs/commands.md", [*EVENT_NAMES, "QUEUECTL_JOB_ID"])


def texts_of_a_record() -> list[str]:
    """Return the fields of a record and of an attempt, as a running job has them."""
    return [*re.findall(r"^\| `(\w+)` \|", "\n".join((*generate.record_fields(), *generate.attempt_fields())), re.M)]


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_documented_with_its_default(key: str) -> None:
    default = SETTINGS[key].default
    assert f"| `{key}` | {'–' if default in ('', []) else default} |" in readme.read("docs/settings.md")


def test_every_exit_status_is_documented() -> None:
    listed = set(re.findall(r"^- `([\dn+]+)`:", readme.read("docs/errors.md"), re.MULTILINE))
    known = {error.exit_status for error in errors.every_error()} | {0, 124, 130, 141}
    assert listed == {*map(str, known), "128+n"}


def test_every_error_code_is_documented_with_its_exit_status() -> None:
    text = readme.read("docs/errors.md")
    for error in errors.every_error():
        section = text.partition(f"\n### {error.code}\n")[2].partition("\n### ")[0]
        assert f"- Exit status: {error.exit_status}\n" in section, error.code


def test_every_file_of_a_home_is_documented(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    for name in os.listdir(queuectl.home):
        path = name + "/" if os.path.isdir(os.path.join(queuectl.home, name)) else name
        assert f"| `{path}` |" in readme.read("docs/upgrading.md")


def test_pictures_are_small() -> None:
    folder = os.path.join(ROOT, "docs")
    pictures = [name for name in os.listdir(folder) if name.endswith(".png")]
    assert pictures and not [name for name in pictures if os.path.getsize(os.path.join(folder, name)) > 200_000]
