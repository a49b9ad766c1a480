"""The README is true: its console blocks run and say what stands there, and nothing that the code has is missing
from it.
"""

from __future__ import annotations

import argparse
import os
import re

import pytest

from queuectl_core import errors
from queuectl_core.cli.main import COMMANDS
from queuectl_core.job import STATES
from queuectl_core.settings import SETTINGS
from queuectl_core.spec import BASIC_FIELDS, OPTIONS
from tests import readme
from tests.homes import ROOT, CommandLine


def test_the_console_blocks_say_what_a_person_would_see(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "work")
    os.mkdir(folder)
    steps = readme.steps(readme.read_readme())
    assert len(steps) > 25
    for command, expected in steps:
        seen = readme.run(command, queuectl.home, folder)
        assert readme.comparable(seen, folder) == readme.comparable(expected, folder), command


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser, and those of its actions, by the words that lead to it."""
    from importlib import import_module

    from queuectl_core.cli.parser import make_parser

    found: dict[str, argparse.ArgumentParser] = {}
    for name, (module, _) in COMMANDS.items():
        found[name] = make_parser(name, import_module(f"queuectl_core.cli.{module}"), {"home": None, "json": False})
        for action in found[name]._actions:
            if isinstance(action, argparse._SubParsersAction):
                found.update({f"{name} {word}": parser for word, parser in action.choices.items()})
    return found


@pytest.mark.parametrize("words", sorted(parsers()))
def test_every_command_and_flag_is_in_the_readme(words: str) -> None:
    text = readme.read_readme()
    command, _, action = words.partition(" ")
    assert re.search(rf"\b{command}\b[^\n]*\b{action}", text), f"{words} is not mentioned"
    for option in (
        option for flag in parsers()[words]._actions for option in flag.option_strings if option.startswith("--")
    ):
        assert f"`{option}" in text or f" {option}" in text, f"{words} {option} is not mentioned"


@pytest.mark.parametrize(
    "word",
    [*SETTINGS, *STATES, *BASIC_FIELDS, *OPTIONS, "QUEUECTL_HOME", "QUEUECTL_STORE", "NO_COLOR", "QUEUECTL_JOB_ID"],
)
def test_every_key_state_and_field_is_in_the_readme(word: str) -> None:
    assert f"`{word}`" in readme.read_readme()


def test_every_setting_stands_there_with_its_default() -> None:
    for key, setting in SETTINGS.items():
        default = setting.default or ("" if setting.default == [] else setting.default)
        assert f"| `{key}` | {default} |".replace("|  |", "| |") in readme.read_readme()


def test_every_exit_status_is_in_the_readme() -> None:
    table = readme.read_readme().split("## Exit status")[1].split("##")[0]
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert documented == {error.exit_status for error in errors.every_error()} | {0, 130, 141}


def test_every_file_of_a_home_is_in_the_readme(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    for name in os.listdir(queuectl.home):
        path = name + "/" if os.path.isdir(os.path.join(queuectl.home, name)) else name
        assert f"| `{path}` |" in readme.read_readme()


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", readme.read_readme()):
        assert os.path.exists(os.path.join(ROOT, target)), target


@pytest.mark.parametrize("name", ["docs/architecture.md", "README.md"])
def test_every_module_named_in_a_document_exists_and_the_codemap_names_all(name: str) -> None:
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    package = os.path.join(ROOT, "queuectl_core")
    if name.endswith("architecture.md"):
        modules = {file[:-3] for file in os.listdir(package) if file.endswith(".py") and not file.startswith("__")}
        missing = [module for module in modules | {"stores", "cli"} if not re.search(rf"`{module}/?`", text)]
        assert not missing
    for module in re.findall(r"`(\w+\.py)`", text):
        found = [file for _, _, files in os.walk(ROOT) for file in files if file == module]
        assert found, module
