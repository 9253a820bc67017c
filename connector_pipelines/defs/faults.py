"""What an error means to Dagster: try the step again soon, or fail it and say what a person can do."""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from connector_pipelines.core.errors import ConnectorError, TransientError
from connector_pipelines.telemetry import get_logger, scrub

__all__ = ["told"]

MAX_RETRIES = 3
LONGEST_WAIT_S = 120.0
"""A run that waits keeps its place in the queue from others. What asks for longer is due again later by its row."""

_WAITS_S = (5.0, 20.0, 60.0)


@contextmanager
def told(log: logging.Logger, attempt: int, *, stop: Callable[[], None], more: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Raise what ends the block as Dagster takes it. `stop` is called first when the run was cancelled.

    Args:
        attempt: Counts from 0.
        more: Metadata for a failed step, such as its worst failures; asked for only then.

    Raises:
        dg.RetryRequested: It passes soon; at most three times.
        dg.Failure: It does not, with code and advice; never retried by a policy.
    """
    # `from None` everywhere: Dagster stores the text of causes too, and theirs is not scrubbed.
    try:
        yield
    except dg.DagsterExecutionInterruptedError:
        stop()
        # Left to itself it is retried under an in-process executor with a retry policy (dagster issue 15026).
        raise dg.Failure("cancelled", allow_retries=False) from None
    except TransientError as error:
        wait_s = max(error.retry_after_s or 0.0, _WAITS_S[min(attempt, len(_WAITS_S) - 1)])
        if attempt >= MAX_RETRIES or wait_s > LONGEST_WAIT_S:
            raise _failure(error, more) from None
        log.warning("%s: %s; trying again in %.0f s", error.code, scrub(str(error)), wait_s)
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait_s) from None
    except ConnectorError as error:
        raise _failure(error, more) from None
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:  # noqa: BLE001 - the outermost edge: what is a bug must still not tell a secret
        get_logger(__name__).exception("step_failed")
        raise dg.Failure(scrub("".join(traceback.format_exception(error))), metadata={"code": "bug"}, allow_retries=False) from None


def _failure(error: ConnectorError, more: Callable[[], Mapping[str, Any]]) -> dg.Failure:
    metadata = {"code": error.code, "class": error.error_class, "advice": scrub(error.advice) or "none"}
    return dg.Failure(scrub(str(error)), metadata={**metadata, **_if_possible(more)}, allow_retries=False)


def _if_possible(more: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return more()
    except ConnectorError as error:
        # The database may be what failed; the first error is the one to show.
        return {"not shown": scrub(str(error))}
