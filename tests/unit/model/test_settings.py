"""Settings: defaults, bounds, and the effect of a damaged value."""

from __future__ import annotations

import pytest

from queuectl_core.errors import DamagedSetting, InvalidSetting
from queuectl_core.model.settings import SETTINGS, Settings, check_setting, parse_setting


def test_unset_key_has_its_default() -> None:
    settings = Settings()
    assert settings["max-retries"] == 3
    assert settings["backoff-base"] == 2
    assert settings["max-output"] == 64 * 1024 * 1024
    assert settings["grace"] == 10


def test_set_key_has_its_value_even_if_zero() -> None:
    assert Settings({"max-retries": 0})["max-retries"] == 0


@pytest.mark.parametrize("key", SETTINGS)
def test_default_is_within_its_own_bounds(key: str) -> None:
    assert check_setting(key, SETTINGS[key].default) == SETTINGS[key].default


def test_settings_do_not_change_their_source_dictionary() -> None:
    given: dict[str, object] = {"grace": 5}
    Settings(given).values["grace"] = 6
    assert given == {"grace": 5}


@pytest.mark.parametrize(
    "key, text, value",
    [
        ("max-retries", "0", 0),
        ("max-retries", "1000", 1000),
        ("max-retries", "+7", 7),
        ("backoff-base", "2", 2),
        ("backoff-base", "1.5", 1.5),
        ("backoff-base", "1e3", 1000.0),
        ("backoff-base", "3600", 3600),
        ("max-output", "1099511627776", 2**40),
        ("grace", "0.5", 0.5),
    ],
)
def test_text_within_bounds_becomes_a_number(key: str, text: str, value: float) -> None:
    parsed = parse_setting(key, text)
    assert parsed == value and type(parsed) is type(value)


NUMBERS = [key for key in SETTINGS if key not in ("retry-on", "fail-on", "env", "shell", "nice") and key[:3] != "on-"]


@pytest.mark.parametrize("text", ["0", "256", "-1", "1,,2", "x", "75,256", "1.5"])
def test_invalid_exit_codes_are_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="^config retry-on: must be exit codes"):
        parse_setting("retry-on", text)


def test_exit_codes_become_a_list_and_an_empty_text_none() -> None:
    assert parse_setting("retry-on", "111,75,75") == [75, 111]
    assert parse_setting("fail-on", "") == []


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize(
    "text", ["", " ", "-", "many", "-1", "1_0", "nan", "inf", "-inf", "1" * 400, "0x10", "true", "1,5"]
)
def test_text_that_is_no_valid_number_is_refused(key: str, text: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^config {key}: must be "):
        parse_setting(key, text)


@pytest.mark.parametrize("text", ["--3", "+-3", "++3"])
def test_number_with_two_signs_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(InvalidSetting, match="^config max-retries: must be a whole number, not "):
        parse_setting("max-retries", text)


@pytest.mark.parametrize("text", ["1001", "3.0", "1e2"])
def test_retries_are_a_whole_number_up_to_a_thousand(text: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_setting("max-retries", text)


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [None, True, "3", [3], {}, -1, 2.0**60, float("nan"), float("inf")], ids=repr)
def test_value_that_is_no_valid_number_is_refused(key: str, value: object) -> None:
    with pytest.raises(InvalidSetting):
        check_setting(key, value)


@pytest.mark.parametrize("key, value", [("nice", 20), ("nice", "5"), ("shell", "bash"), ("env", {"A": 1}), ("env", [])])
def test_invalid_values_of_how_jobs_run_are_refused(key: str, value: object) -> None:
    with pytest.raises(InvalidSetting):
        check_setting(key, value)


@pytest.mark.parametrize(
    "key, text, value",
    [
        ("env", "LANG=C  EMPTY=", {"LANG": "C", "EMPTY": ""}),
        ("env", '{"A": "one two"}', {"A": "one two"}),
        ("env", "", {}),
        ("nice", "-5", -5),
        ("shell", "/bin/bash", "/bin/bash"),
        ("limit-mem", "8G", 2**33),
        ("limit-mem", "1.5 GiB", 3 * 2**29),
        ("min-free-mem", "512m", 2**29),
        ("max-output", "64k", 2**16),
        ("log-retention-bytes", "2GB", 2**31),
    ],
)
def test_text_of_variables_and_sizes(key: str, text: str, value: object) -> None:
    assert parse_setting(key, text) == value


@pytest.mark.parametrize("text", ["LANG", "=x", "{", '{"A": 1}', "A=1 B"])
def test_text_that_has_no_variables_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="NAME=VALUE"):
        parse_setting("env", text)


def test_number_too_long_to_print_is_refused() -> None:
    with pytest.raises(InvalidSetting):
        check_setting("grace", 10**5000)


@pytest.mark.parametrize(
    "key, highest", [("max-retries", 1000), ("backoff-base", 3600), ("max-output", 2**40), ("grace", 3600)]
)
def test_bounds_are_inclusive(key: str, highest: int) -> None:
    assert (check_setting(key, 0), check_setting(key, highest)) == (0, highest)
    for value in (-1, highest + 1):
        with pytest.raises(InvalidSetting, match=f"not {value}$"):
            check_setting(key, value)


def test_error_for_a_misspelled_key_suggests_the_right_one() -> None:
    with pytest.raises(InvalidSetting, match="config max_retries: no such key; did you mean max-retries?"):
        parse_setting("max_retries", "3")


def test_error_for_an_unknown_key_lists_all_keys() -> None:
    with pytest.raises(InvalidSetting) as refusal:
        check_setting("colour", 3)
    assert all(key in str(refusal.value) for key in SETTINGS)


def test_damaged_value_is_reported_only_when_it_is_used() -> None:
    settings = Settings({"max-retries": "many", "grace": 5})
    assert settings["grace"] == 5
    with pytest.raises(DamagedSetting, match="max-retries is damaged: must be a whole number"):
        settings["max-retries"]


def test_damaged_value_becomes_the_default_when_no_error_can_be_reported() -> None:
    settings = Settings({"max-retries": "many", "grace": 5})
    assert (settings.usable("max-retries"), settings.usable("grace"), settings.usable("backoff-base")) == (3, 5, 2)


def test_damaged_value_can_be_shown() -> None:
    settings = Settings({"max-retries": "many"})
    assert settings.shown("max-retries") == "damaged: 'many'"
    assert settings.shown("grace") == "10"


@pytest.mark.parametrize("text", ["hunter2", "TOKEN=my hunter2", "=hunter2", '{"A": "hunter2"', '{"A": "hunter2\\u0000"}'])
def test_a_refused_setting_of_variables_does_not_repeat_them(text: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        parse_setting("env", text)
    assert "hunter2" not in str(refused.value)
