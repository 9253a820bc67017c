"""What becomes of a part that fails: the others go on, and it is tried again; where there is but one, the call fails."""

from __future__ import annotations

import threading
from typing import Final

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, NotFound, TransientError
from connector_pipelines.core.types import Unlistable
from connector_pipelines.sources.google_drive.parts import Part

__all__ = ["Failing"]

# A network that is away would else cost each of a thousand users the time of all tries.
_PASSING_IN_A_ROW: Final = 3


class Failing:
    """Of one call, over `count` parts."""

    def __init__(self, count: int, stop: threading.Event) -> None:
        self._count, self._stop = count, stop
        self._first: ConnectorError | None = None
        self._failed: set[str] = set()
        self._in_a_row = 0

    def met(self, part: Part, error: ConnectorError, known_path: str | None = None) -> list[Unlistable]:
        """What is told of the part.

        Args:
            known_path: Where it lay when it was last recorded, if that is known.

        Raises:
            ConnectorError: `error`, or what it means, where no other part goes on.
        """
        self._in_a_row = self._in_a_row + 1 if isinstance(error, TransientError) else 0
        if self._count == 1 or self._stop.is_set() or self._in_a_row >= _PASSING_IN_A_ROW:
            raise meant(part, error) from error
        self._first = self._first or meant(part, error)
        self._failed.add(part.key)
        message = f"{part.name} could not be listed: {error}"
        return [Unlistable(path, error.code, message, remembered=True) for path in sorted({part.path, known_path or part.path})]

    def went_well(self) -> None:
        self._in_a_row = 0

    def end(self) -> None:
        """Raises the first error where every part failed: then it is not the parts that do not work."""
        if self._first is not None and len(self._failed) == self._count:
            raise self._first


def meant(part: Part, error: ConnectorError) -> ConnectorError:
    """Of what is to be synced as a whole, "not found" says that it is not there, or not for us."""
    if type(error) is not NotFound:
        return error
    return ConfigurationError(
        f"{part.name} does not exist any more, or cannot be seen: {error}", advice="Correct what is synced, or share it."
    )
