"""Trace context: what the W3C standards allow passes, and everything else is ignored."""

from __future__ import annotations

import pytest

from queuectl_core import api
from queuectl_core.model.trace_context import VARIABLES, checked

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        (PARENT, True),
        (PARENT.replace("-01", "-00"), True),
        ("cc" + PARENT[2:], True),
        ("cc" + PARENT[2:] + "-what-comes-later", True),
        ("", False),
        (PARENT + "-more", False),
        ("cc" + PARENT[2:] + ".more", False),
        ("ff" + PARENT[2:], False),
        (PARENT.upper(), False),
        (PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), False),
        (PARENT.replace("b7ad6b7169203331", "0" * 16), False),
        (PARENT[:-1], False),
        (PARENT + "\n", False),
        (" " + PARENT, False),
        ("cc" + PARENT[2:] + "-" + "x" * 500, False),
        ("\u0660\u0660" + PARENT[2:], False),
    ],
)
def test_traceparent(text: str, is_valid: bool) -> None:
    assert checked({"TRACEPARENT": text}) == ({"TRACEPARENT": text} if is_valid else {})


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", True),
        ("fw529a3039@dt=FfAAAA, a=b", True),
        ("a=1,", True),
        ("0tenant@v=x y", True),
        ("", False),
        (",", False),
        ("a", False),
        ("a=", False),
        ("A=1", False),
        ("a=1,a=2", False),
        ("a=b=c", False),
        ("a=\x1b", False),
        ("a=\u00e9", False),
        (",".join(f"k{n}=v" for n in range(33)), False),
        ("a=" + "v" * 511, False),
    ],
)
def test_tracestate(text: str, is_valid: bool) -> None:
    given = {"TRACEPARENT": PARENT, "TRACESTATE": text}
    assert checked(given) == (given if is_valid else {"TRACEPARENT": PARENT})
    assert checked({"TRACESTATE": text}) == {}


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("userId=alice,serverNode=DF%2028,isProduction=false", True),
        ("key1=value1;property1;property2=x, key2 = value2", True),
        ("key=", True),
        ("", False),
        ("key", False),
        ("key=a b", False),
        ('key="quoted"', False),
        ("key=\n", False),
        ("k=" + "v" * 8191, False),
        (",".join(f"k{n}=v" for n in range(65)), False),
    ],
)
def test_baggage(text: str, is_valid: bool) -> None:
    assert checked({"BAGGAGE": text}) == ({"BAGGAGE": text} if is_valid else {})


@pytest.mark.parametrize("given", [None, [], "x", {"TRACEPARENT": 3}, {"TRACEPARENT": None}, {"PATH": "/bin"}])
def test_anything_else_is_ignored(given: object) -> None:
    assert checked(given) == {}


def test_a_long_text_costs_no_time() -> None:
    for text in ("a=" + " " * 500 + ";" * 20, "a=b" + ";a" * 4000 + "\x00", ("a" * 250 + "=") * 30):
        assert checked({"TRACEPARENT": PARENT, "TRACESTATE": text, "BAGGAGE": text + "\x00"}) == {"TRACEPARENT": PARENT}


def test_the_names_stand_twice_but_agree() -> None:
    assert api._TRACE == VARIABLES
