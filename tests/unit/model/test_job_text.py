"""Job text: the JSON texts that describe a job, and the errors for other texts."""

from __future__ import annotations

import pytest

from queuectl_core.model import job_text


def test_text_becomes_its_value() -> None:
    assert job_text.parse(' {"id": "a", "command": "echo \u00e4"} \n') == {"id": "a", "command": "echo \u00e4"}


@pytest.mark.parametrize(
    "text, why",
    [
        ("{", "at character 2"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ("[NaN," + "[" * 100_000, "nested too deeply|NaN is not a JSON number"),
        ('{"a": 1} {"b": 2}', "Extra data at character 10"),
        ("", "at character 1"),
        ('{"command": "a", "id": "b", "command": "c"}', "the key 'command' occurs twice"),
        ('{"command": "a", "env": {"A": "1", "A": "2"}}', "the key 'A' occurs twice"),
    ],
)
def test_invalid_text_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        job_text.parse(text)


def test_text_at_the_nesting_limit_is_a_value_or_a_reason() -> None:
    for depth in range(900, 1100):
        for text in ("[" * depth, "[" * depth + "]" * depth):
            try:
                job_text.parse(text)
            except ValueError:
                pass
