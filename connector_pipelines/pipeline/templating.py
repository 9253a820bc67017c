"""How the templates of a stream are read and filled in: Jinja, in a sandbox, over the fields of one record.

They are an operator's, written in the settings of an endpoint. What bounds them guards against accidents, and against records that
are larger than anybody thought: it is no wall against whoever may write settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Malformed, ResourceError

if TYPE_CHECKING:
    from jinja2 import Template as JinjaTemplate
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["Template"]

MAX_TURNS = 100_000
"""Turns that all loops of a template may take together for one record."""

_COUNTER = "_turns_left"
_BOUND = "_bounded"


class Template:
    """A template with the limits that hold for each record. Compiled on first use.

    Args:
        what: Names it in errors, as in ``title of the stream 'contacts'``.

    Raises:
        ConfigurationError: On first use, when it cannot be read.
    """

    def __init__(self, what: str, source: str) -> None:
        self._what, self._source = what, source

    def fill(self, fields: Mapping[str, Any], max_bytes: int) -> str:
        """The text for one record. Fields by their names, all of them as `record`; what is not there is empty.

        Raises:
            Malformed: The template cannot be filled in with these fields.
            ResourceError: There would be more than `max_bytes` of UTF-8, or the loops take too many turns.
        """
        from jinja2.exceptions import TemplateError

        pieces: list[str] = []
        size = 0
        try:
            for piece in self._compiled.generate({"record": fields, **fields, _COUNTER: [MAX_TURNS]}):
                size += len(piece) if piece.isascii() else len(piece.encode(errors="replace"))
                if size > max_bytes:
                    raise ResourceError(f"the {self._what} gives more than {max_bytes} bytes", limit=f"max_text_bytes={max_bytes}")
                pieces.append(piece)
        except ConnectorError:
            raise
        # Whatever an expression may do with values that it was not written for.
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
            raise Malformed(f"the {self._what} cannot be filled in: {type(error).__name__}", advice="correct the template") from error
        return "".join(pieces)

    @cached_property
    def _compiled(self) -> JinjaTemplate:
        from jinja2 import nodes
        from jinja2.exceptions import TemplateSyntaxError

        environment = _environment()
        try:
            tree = environment.parse(self._source)
            for loop in tree.find_all(nodes.For):
                loop.iter = nodes.Filter(loop.iter, _BOUND, [], [], None, None)
            return environment.from_string(tree)
        except TemplateSyntaxError as error:
            raise ConfigurationError(
                f"the {self._what} is no template: {error.message} (line {error.lineno})", advice="see the page of the kind"
            ) from error


def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import ChainableUndefined, pass_context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" or not all(isinstance(each, int | float) for each in (left, right)):
                raise TypeError(f"{operator} is for numbers here, and without powers")
            return super().call_binop(context, operator, left, right)

        def getattr(self, obj: Any, attribute: str) -> Any:
            # A field may be called `items`, like what every mapping can do.
            return obj[attribute] if isinstance(obj, Mapping) and attribute in obj else super().getattr(obj, attribute)

    made = Environment(undefined=ChainableUndefined, finalize=_shown, autoescape=False)
    made.filters[_BOUND] = pass_context(_bounded)
    return made


def _bounded(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    left = context.parent[_COUNTER]
    for value in values:
        left[0] -= 1
        if left[0] < 0:
            raise ResourceError(f"the loops of a template take more than {MAX_TURNS} turns", limit=f"turns={MAX_TURNS}")
        yield value


def _shown(value: Any) -> Any:
    # What is called like a field that is not there, such as `items`, is not one.
    return "" if value is None or callable(value) else value
