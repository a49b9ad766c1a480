"""A named tuple of `light_types` is one of typing, as far as queuectl uses it."""

from __future__ import annotations

import pickle
import typing
from typing import Any

import pytest

from queuectl_core import light_types
from queuectl_core.light_types import _CONSTRUCTORS

MAX_FIELDS = len(_CONSTRUCTORS) - 1


class Light(light_types.NamedTuple):
    """A light one."""

    id: str
    size: int
    rest: typing.Sequence[str] = ()

    def twice(self) -> int:
        return 2 * self.size


class Heavy(typing.NamedTuple):
    """A heavy one."""

    id: str
    size: int
    rest: typing.Sequence[str] = ()


class Empty(light_types.NamedTuple):
    """No field."""


def test_it_is_made_by_place_and_by_name_and_reads_as_a_tuple() -> None:
    made = Light("a", 1)
    assert made == Light(id="a", size=1) == Light("a", 1, ()) == ("a", 1, ())
    assert (made.id, made.size, made.rest, made.twice()) == (*made, 2)
    assert made != Light("a", 2) and hash(made) == hash(("a", 1, ())) and Empty() == ()


def test_it_has_what_one_of_typing_has() -> None:
    light, heavy = Light("a", 1), Heavy("a", 1)
    assert light._fields == heavy._fields and light._asdict() == heavy._asdict()
    assert light._replace(size=3) == heavy._replace(size=3) and type(light._replace(size=3)) is Light
    assert repr(light) == repr(heavy).replace("Heavy", "Light")
    assert type(Light) is type and Light.__doc__ == "A light one." and not hasattr(light, "__dict__")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_survives_a_pickle(protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(Light("a", 1, ("b",)), protocol))
    assert copy == Light("a", 1, ("b",)) and type(copy) is Light


@pytest.mark.parametrize(
    ("args", "named", "why"),
    [
        ((), {}, "missing 2 required positional arguments: 'id' and 'size'"),
        (("a",), {}, "missing 1 required positional argument: 'size'"),
        (("a", 1, (), 4), {}, "takes from 3 to 4 positional arguments but 5 were given"),
        (("a", 1), {"colour": 1}, "got an unexpected keyword argument 'colour'"),
        (("a", 1), {"id": "b"}, "got multiple values for argument 'id'"),
    ],
)
def test_wrong_arguments_are_refused(args: tuple[Any, ...], named: dict[str, Any], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        Light(*args, **named)
    with pytest.raises(TypeError):
        Light("a", 1)._replace(colour=1)


@pytest.mark.parametrize("count", range(MAX_FIELDS + 1))
def test_each_number_of_fields_keeps_their_order(count: int) -> None:
    names = [f"field_{n}" for n in range(count)]
    body = {"__annotations__": dict.fromkeys(names, "int"), "__module__": __name__}
    kind: Any = type(light_types.NamedTuple)("Made", (light_types.NamedTuple,), body)
    made = kind(*range(count))
    assert made == tuple(range(count)) == kind(**dict(zip(names, made)))
    assert [getattr(made, name) for name in names] == list(range(count))


def test_a_generic_class_takes_parameters() -> None:
    class Box(light_types.Generic[light_types.TypeVar("T")]):  # type: ignore[misc]
        pass

    assert Box[int] is Box
