"""Methods of an object in another process: sent and done by their signatures, so that none is written twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from typing import Any, Final, TypeVar, get_type_hints

import pydantic_core
from pydantic import ConfigDict, TypeAdapter

__all__ = ["Send", "done", "forwards", "public_methods"]

Send = Callable[[str, bytes], bytes]
"""A method's name and its arguments as JSON, to what it gives as JSON."""

_CONFIG: Final = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")

T = TypeVar("T")


def forwards(cls: type[T]) -> type[T]:
    """Class decorator: every public method that the class inherits is asked of the other process, by its attribute `_send`."""
    own = set(vars(cls))
    for name, function in public_methods(cls):
        if name not in own:
            setattr(cls, name, _forwarding(name, function))
    return cls


def public_methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    return ((name, each) for name, each in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_"))


def done(target: object, name: str, arguments: bytes) -> bytes:
    """Call a public method; what it gives, as JSON.

    Raises:
        KeyError: There is no such method.
        ValueError: The arguments are not those of the method.
    """
    function = dict(public_methods(type(target)))[name]
    given: Mapping[str, Any] = pydantic_core.from_json(arguments)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    hints = get_type_hints(function, include_extras=True)
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.name not in given:
            continue
        value = given[parameter.name]
        hint = hints.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [_read(hint, each) for each in value]
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= {each: _read(hint, inner) for each, inner in value.items()}
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = _read(hint, value)
        else:
            positional.append(_read(hint, value))
    return _adapter(hints.get("return", Any)).dump_json(function(target, *positional, **named))


def _forwarding(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @wraps(function)
    def forwarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        # So that none is missing between two that are given by their places.
        bound.apply_defaults()
        given = {key: value for at, (key, value) in enumerate(bound.arguments.items()) if at}
        answer = self._send(name, pydantic_core.to_json(given, bytes_mode="base64", timedelta_mode="iso8601"))
        return _adapter(get_type_hints(function, include_extras=True).get("return", Any)).validate_json(answer)

    return forwarded


def _read(hint: Any, value: Any) -> Any:
    return _adapter(hint).validate_json(pydantic_core.to_json(value))


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=_CONFIG)
    except Exception as error:  # a model brings its own configuration
        if getattr(error, "code", "") != "type-adapter-config-unused":
            raise
        return TypeAdapter(hint)
