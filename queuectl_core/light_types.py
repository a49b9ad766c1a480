"""Light types: names of typing, functools and collections, without the import of these modules.

The imports, and the text that typing compiles for each named tuple, cost a call of the command line more time than its
work. Pure.

Warning: `_collections` and `_functools` are private modules of CPython, which are part of its executable.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections import defaultdict as defaultdict
    from functools import partial as partial
    from typing import Any
    from typing import Generic as Generic
    from typing import NamedTuple as NamedTuple
    from typing import TypeVar as TypeVar
else:
    from _collections import _tuplegetter, defaultdict  # noqa: F401
    from _functools import partial  # noqa: F401

    TypeVar = str

    class Generic:
        """The base of a class with type parameters, which mean nothing at run time."""

        def __class_getitem__(cls, parameters: object) -> type:
            return cls

    class _Named(tuple):
        """What queuectl needs of a named tuple beside its fields, with the names and the meaning of the original."""

        __slots__ = ()

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(map('{}={!r}'.format, self._fields, self))})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self))

        def _replace(self, **changes: Any) -> _Named:
            return type(self)(**{**self._asdict(), **changes})

    class _Maker(type):
        """Makes each class whose base is `NamedTuple`: a plain class, so that `isinstance` is fast."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = tuple(body.get("__annotations__", ()))
            new = _constructor(name, fields, tuple(body[field] for field in fields if field in body))
            getters = {field: _tuplegetter(n, "") for n, field in enumerate(fields)}
            return type(name, (_Named,), {**body, **getters, "__slots__": (), "_fields": fields, "__new__": new})

    NamedTuple = type.__new__(_Maker, "NamedTuple", (), {})

    def _constructor(name: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> Any:
        """Return a constructor with these parameters: one of those below, whose parameters get other names."""
        code = _CONSTRUCTORS[len(fields)].__code__.replace(co_varnames=("cls", *fields))
        constructor = type(_constructor)(code, globals(), "__new__", defaults)
        constructor.__qualname__ = f"{name}.__new__"
        return constructor

    _new = tuple.__new__
    _CONSTRUCTORS = (
        lambda cls: _new(cls, ()),
        lambda cls, a: _new(cls, (a,)),
        lambda cls, a, b: _new(cls, (a, b)),
        lambda cls, a, b, c: _new(cls, (a, b, c)),
        lambda cls, a, b, c, d: _new(cls, (a, b, c, d)),
        lambda cls, a, b, c, d, e: _new(cls, (a, b, c, d, e)),
        lambda cls, a, b, c, d, e, f: _new(cls, (a, b, c, d, e, f)),
        lambda cls, a, b, c, d, e, f, g: _new(cls, (a, b, c, d, e, f, g)),
        lambda cls, a, b, c, d, e, f, g, h: _new(cls, (a, b, c, d, e, f, g, h)),
        lambda cls, a, b, c, d, e, f, g, h, i: _new(cls, (a, b, c, d, e, f, g, h, i)),
        lambda cls, a, b, c, d, e, f, g, h, i, j: _new(cls, (a, b, c, d, e, f, g, h, i, j)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k: _new(cls, (a, b, c, d, e, f, g, h, i, j, k)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
    )
    """Constructors for 0 to 12 fields."""
