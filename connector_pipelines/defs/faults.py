"""What an error means to Dagster: try the step again soon, or fail it and say what a person can do."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from connector_pipelines.core.errors import ConnectorError, TransientError
from connector_pipelines.telemetry import get_logger, scrub

__all__ = ["CANCELLED", "told"]

CANCELLED = "cancelled"
MAX_RETRIES = 3
LONGEST_WAIT_S = 120.0
"""A run that waits keeps its place in the queue from others. What asks for longer is due again later by its row."""

_WAITS_S = (5.0, 20.0, 60.0)


@contextmanager
def told(
    log: logging.Logger,
    attempt: int,
    *,
    stop: Callable[[], None],
    more: Callable[[], Mapping[str, Any]],
    waits: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Raise what ends the block as Dagster takes it. `stop` is called first when the run was cancelled.

    What may pass is waited for here, in the step: Dagster's own wait between two attempts can be ended by nobody.

    Args:
        attempt: Counts from 0.
        more: Metadata for a failed step, such as its worst failures; asked for only then.
        waits: Told why it waits, and for how long.

    Raises:
        dg.RetryRequested: It may have passed; at most three times.
        dg.Failure: It does not pass, with code and advice; never retried by a policy.
    """
    # `from None` everywhere: Dagster stores the text of causes too, and theirs is not scrubbed.
    try:
        yield
    except dg.DagsterExecutionInterruptedError:
        stop()
        raise _cancelled() from None
    except TransientError as error:
        wait_s = max(error.retry_after_s or 0.0, _WAITS_S[min(attempt, len(_WAITS_S) - 1)])
        if attempt >= MAX_RETRIES or wait_s > LONGEST_WAIT_S:
            raise _failure(error, more) from None
        why = f"{scrub(str(error))}; trying again in {wait_s:.0f} s"
        log.warning("%s: %s", error.code, why)
        try:
            waits(why)
            sleep(wait_s)
        except dg.DagsterExecutionInterruptedError:
            raise _cancelled() from None
        raise dg.RetryRequested(max_retries=MAX_RETRIES) from None
    except ConnectorError as error:
        raise _failure(error, more) from None
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:  # noqa: BLE001 - the outermost edge: what is a bug must still not tell a secret
        get_logger(__name__).exception("step_failed")
        raise dg.Failure(scrub("".join(traceback.format_exception(error))), metadata={"code": "bug"}, allow_retries=False) from None


def _cancelled() -> dg.Failure:
    # Left to itself it is retried under an in-process executor with a retry policy (dagster issue 15026).
    return dg.Failure(CANCELLED, allow_retries=False)


def _failure(error: ConnectorError, more: Callable[[], Mapping[str, Any]]) -> dg.Failure:
    metadata = {"code": error.code, "class": error.error_class, "advice": scrub(error.advice) or "none"}
    return dg.Failure(scrub(str(error)), metadata={**metadata, **_if_possible(more)}, allow_retries=False)


def _if_possible(more: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return more()
    except ConnectorError as error:
        # The database may be what failed; the first error is the one to show.
        return {"not shown": scrub(str(error))}
