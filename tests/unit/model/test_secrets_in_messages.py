"""A variable can be a secret, and messages reach logs: no message about a variable has its value."""

from __future__ import annotations

import pytest

from queuectl_core.model.job_spec import check_field


@pytest.mark.parametrize("env", ["31415", 31415, ["31415"], {"A": 31415}, {"A": ["31415"]}, {"A": "31415\0"}, {"": "31415"}])
def test_no_message_has_the_value_of_a_variable(env: object) -> None:
    with pytest.raises(ValueError) as refused:
        check_field("env", env)
    assert "31415" not in str(refused.value)
