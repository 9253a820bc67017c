"""Many calls in one request: what each of them was answered, whatever the whole was.

A batch is a saving of round trips only: each call counts against the quota (https://developers.google.com/workspace/drive/api/guides/performance).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    RateLimited,
    SubjectRefused,
    TransientError,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.http import Http, HttpResponse
from connector_pipelines.sources.google_drive.faults import Refiner

__all__ = ["Ask", "Batch", "Heard", "Json"]

Json = dict[str, Any]
"""An answer, read."""

Heard = Callable[[str, Any, Any], None]
"""What Google's client calls for each: id, answer, `HttpError` or None."""

# Google takes no more: https://developers.google.com/workspace/drive/api/guides/performance#batch-requests
_MOST: Final = 100
_TRIES: Final = 5
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One call.

    Attributes:
        method: As the API names it, such as ``files.list``.
        params: By name, as the method takes them; those that are None are left out.
        resource_keys: By file id, of files shared by an older link
            (https://developers.google.com/workspace/drive/api/guides/resource-keys).
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    resource_keys: Mapping[str, str] = field(default_factory=dict, repr=False)


class Batch:
    """Asks in batches.

    Args:
        http: By which they are sent.
        together: Sends a batch.
        alone: Sends one, as any other call.
    """

    def __init__(
        self,
        refine: Refiner,
        stop: threading.Event,
        http: Http,
        together: Callable[[Sequence[Ask], Heard], None],
        alone: Callable[[Ask], Json],
    ) -> None:
        self._refine, self._stop, self._http, self._together, self._alone = refine, stop, http, together, alone

    def answers(self, asks: Sequence[Ask]) -> list[Json | ConnectorError]:
        """In the order of `asks`.

        Raises:
            ConnectorError: A batch was refused, or what all calls would meet.
        """
        found: list[Json | ConnectorError] = []
        for start in range(0, len(asks), _MOST):
            found += self._settled(asks[start : start + _MOST])
        return found

    def _settled(self, asks: Sequence[Ask]) -> list[Json | ConnectorError]:
        found = self._asked(asks)
        for attempt in range(_TRIES):
            again = [at for at, each in enumerate(found) if isinstance(each, TransientError)]
            if not again or not self._paused([found[at] for at in again], attempt):
                break
            for at, each in zip(again, self._asked([asks[at] for at in again]), strict=True):
                found[at] = each
        return found

    def _asked(self, asks: Sequence[Ask]) -> list[Json | ConnectorError]:
        from googleapiclient.errors import BatchError

        if len(asks) < 2:
            # By itself it is an ordinary call, which the house tries again.
            return [self._asked_alone(ask) for ask in asks]
        heard: dict[int, tuple[Any, Any]] = {}

        def hear(request_id: str, answer: Any, error: Any) -> None:
            heard[int(request_id)] = answer, error

        try:
            self._together(asks, hear)
        except (BatchError, KeyError, ValueError, IndexError, TypeError, AttributeError):
            # What Google's client trips over where parts of the answer are missing or broken.
            heard.clear()
        return [self._told(*heard[at]) if at in heard else self._asked_alone(ask) for at, ask in enumerate(asks)]

    def _asked_alone(self, ask: Ask) -> Json | ConnectorError:
        try:
            return self._alone(ask)
        except ConnectorError as error:
            return _one_s_own(error)

    def _told(self, answer: Json, error: Any) -> Json | ConnectorError:
        return answer if error is None else _one_s_own(self._refusal(error))

    def _refusal(self, error: Any) -> ConnectorError:
        headers = {str(name).lower(): str(value) for name, value in error.resp.items()}
        return self._refine(
            HttpResponse(status=int(error.resp.status), url=str(error.uri).partition("?")[0], headers=headers, content=error.content)
        )

    def _paused(self, refused: Sequence[object], attempt: int) -> bool:
        """Wait as long as the longest of them asks, and let all others of the bucket wait; False where that is too long."""
        throttled = [each for each in refused if isinstance(each, RateLimited)]
        if throttled:
            self._http.throttled(max(throttled, key=lambda each: each.retry_after_s or 0.0))
        asked_s = max((each.retry_after_s or 0.0 for each in refused if isinstance(each, TransientError)), default=0.0)
        if asked_s > _LONGEST_PAUSE_S:
            return False
        spread_s = random.uniform(0.5, 1.0) * 2**attempt  # noqa: S311 - no secret
        # What was asked for is never cut short; a little is added, or all that were turned away come back at once.
        if self._stop.wait(asked_s + min(spread_s, 1.0, asked_s / 10) if asked_s else spread_s):
            raise Unavailable("the run was stopped")
        return True


def _one_s_own(error: ConnectorError) -> ConnectorError:
    """`error`, if it is of one call. One that all calls would meet is raised."""
    if isinstance(error, ConfigurationError | Unauthenticated | SubjectRefused):
        raise error
    return error
