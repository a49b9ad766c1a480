"""Command templates: what replaces each placeholder, and that each value stays one argument."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from queuectl_core.errors import InvalidInput
from queuectl_core.model.command_template import CommandTemplate

HOSTILE = ["", " ", "a b", "$(touch x)", "`id`", "'; id; '", '"', "\\", "*", "~", "#", "{}", "-n", "a\nb", "é", "!!", "$HOME", "a\\'b"]
"""Values that a shell reads as something else unless they are quoted."""


def fill(words: list[str], *row: str, number: int = 1, names: tuple[str, ...] = ()) -> str:
    return CommandTemplate(words, len(row), names).fill(row, number)


@pytest.mark.parametrize(
    ("placeholder", "text"),
    [
        ("{}", "/srv/a.tar.gz"),
        ("{.}", "/srv/a.tar"),
        ("{/}", "a.tar.gz"),
        ("{//}", "/srv"),
        ("{/.}", "a.tar"),
        ("{#}", "7"),
        ("{1}", "/srv/a.tar.gz"),
        ("{1/.}", "a.tar"),
        ("out/{/.}.log", "out/a.tar.log"),
    ],
)
def test_replaces_each_placeholder(placeholder: str, text: str) -> None:
    assert fill(["cp", placeholder, "x"], "/srv/a.tar.gz", number=7) == f"cp {text} x"
    assert fill([f"cp {placeholder} > x"], "/srv/a.tar.gz", number=7) == f"cp {text} > x"


@pytest.mark.parametrize("word", ["{nam}", "x/{Name}.txt", "{name}-{nam}", "{siz.}"])
def test_a_name_that_no_column_has_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="^no column (nam|Name|siz); columns: name, size$"):
        fill(["echo", word], "a", "1", names=("name", "size"))


def test_other_text_in_braces_stays_beside_names() -> None:
    for text in ("${HOME}", "{a,b}", "{ print }", "{1..3}", "{_}"):
        assert fill([f"echo {text} {{name}}"], "a", names=("name",)) == f"echo {text} a"
    assert fill(["echo {nam} {}"], "a") == "echo {nam} a"


def test_the_folder_of_a_plain_name_is_the_working_folder() -> None:
    assert fill(["ls", "{//}"], "a.txt") == "ls ."


def test_keeps_the_whole_name_of_a_hidden_file_without_extension() -> None:
    assert fill(["ls", "{.}"], ".profile") == "ls .profile"


def test_all_values_are_separate_words_when_they_stand_alone() -> None:
    assert fill(["cmd", "{}"], "a b", "c") == "cmd 'a b' c"
    assert fill(["cmd", "x={}"], "a", "b") == "cmd 'x=a b'"


def test_replaces_values_by_position_and_by_name() -> None:
    assert fill(["cmd", "{2}", "{1}"], "a", "b") == "cmd b a"
    assert fill(["cmd", "{size}", "{name.}"], "a.txt", "5", names=("name", "size")) == "cmd 5 a"


def test_appends_the_values_when_no_word_has_a_placeholder() -> None:
    assert fill(["gzip", "-k"], "a b") == "gzip -k 'a b'"
    assert fill(["gzip -k"], "a b") == "gzip -k 'a b'"
    assert CommandTemplate(["gzip", "-k"], 1, appends=False).fill(("a",), 1) == "gzip -k"


@pytest.mark.parametrize("word", ["{print}", "{ }", "{1,2}", "${1}", "${#}", "{a.}", "{0}", "{1..3}", "{", "}", "{}{"[1:]])
def test_leaves_other_braces_alone(word: str) -> None:
    assert fill(["echo", word, "{}"], "v").endswith(" v")
    assert word in fill(["echo", word, "{}"], "v")


def test_a_column_without_a_name_does_not_change_the_placeholder_of_all_values() -> None:
    assert fill(["cmd", "{}", "{b}"], "0", "x", names=("", "b")) == "cmd 0 x x"


def test_a_position_with_thousands_of_digits_is_no_placeholder() -> None:
    assert fill(["cmd", "{" + "9" * 5000 + "}", "{}"], "v").endswith(" v")


def test_refuses_a_position_that_no_job_has() -> None:
    with pytest.raises(InvalidInput, match=r"\{3\} needs 3 values, but each job has 2"):
        fill(["cmd", "{3}"], "a", "b")


@pytest.mark.parametrize("text", ["echo '{}'", 'echo "{}"', 'echo "$(cat {})"', "echo \\{}", "echo 'a {.} b'", 'echo "\\"{}"'])
def test_refuses_a_placeholder_inside_quotes(text: str) -> None:
    with pytest.raises(InvalidInput, match="inside quotes"):
        fill([text], "v")


@pytest.mark.parametrize(
    "text",
    [
        *("echo `cat {}`", "cat <<E\n{}\nE", "echo $(({}))", "true # {}", "echo $'\\'{}\\''\\'", "echo {} '", "echo {} \\"),
        *('echo "$(basename "{}")"', 'echo "${x:-"{}"}"', 'echo "`basename "{}"`"', 'echo "$(echo ")" "{}")"'),
        *("(( {} > 3 ))", "echo $[ {} ]", "echo $((x[{}]))", "echo \\$((1)) {}", 'echo "$(echo #)"\n "{}\n)"'),
    ],
)
def test_refuses_shell_text_where_a_value_is_not_an_argument(text: str) -> None:
    with pytest.raises(InvalidInput, match="sh -c"):
        fill([text], "v")


@pytest.mark.parametrize("text", ["echo a#b {}", "echo \"$(date) ${HOME} $x $ it's\" {} 'a \"b'", "echo $(echo {})", "f() { echo {}; }; f", "N=$((1 + X - 1)) run {}"])
def test_accepts_shell_text_with_placeholders_outside_quotes(text: str) -> None:
    assert "v" in fill([text], "v")


def arguments_of(command: str, folder: str) -> list[str]:
    r"""Run a command line that ends in `printf '%s\\0' …`, and return the words it printed."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, cwd=folder, timeout=20, check=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_a_shell_passes_each_value_on_unchanged(value: str, tmp_path: Path) -> None:
    for template in (["printf", "%s\\0", "{}"], ["printf", "%s\\0"], ["printf '%s\\0' {}"], ["printf '%s\\0'"], ["true && printf '%s\\0' $(true) {}"]):
        assert arguments_of(fill(template, value), str(tmp_path)) == [value], template
        assert arguments_of(fill(template, value, "x"), str(tmp_path)) == [value, "x"], template


@pytest.mark.parametrize("seed", range(30))
def test_random_shell_text_never_runs_a_value(seed: int, tmp_path: Path) -> None:
    """A value that would create a file never does, whatever text stands around its placeholder."""
    random.seed(seed)
    pieces = ["'", '"', "\\", "`", "$(", ")", "<<E\n", "E\n", "#", " ", "\n", "$'", "$((", "))", "{}", "{.}", "${x:-", "}", "echo ", ";", "x"]
    pieces += ["$((X - 1))", '"$(echo "', '")"', '"${x:-"', '"}"']
    values = ["\n'\"`touch hacked`$(touch hacked);touch hacked\n", "$(touch hacked)"]
    for _ in range(40):
        text = "".join(random.choices(pieces, k=random.randint(2, 9)))
        try:
            command = fill([text], random.choice(values))
        except InvalidInput:
            continue
        subprocess.run(["/bin/sh", "-c", command], capture_output=True, cwd=str(tmp_path), timeout=20, stdin=subprocess.DEVNULL, check=False)
        assert not list(tmp_path.iterdir()), (text, command)
