"""How a command ends: an error as one line with its fix, and the exit code that scripts go by."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer

__all__ = ["FAILED", "HELD", "INTERNAL", "INTERRUPTED", "ITEMS_FAILED", "NOTHING_FOUND", "USAGE", "told"]

FAILED: Final = 1
NOTHING_FOUND: Final = 1
"""As grep has it."""
USAGE: Final = 2
ITEMS_FAILED: Final = 3
HELD: Final = 4
INTERNAL: Final = 70
"""EX_SOFTWARE of sysexits.h."""
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""


@contextmanager
def told(*, debug: bool) -> Iterator[None]:
    """End the program with a line on standard error and an exit code, whatever is raised inside."""
    from connector_pipelines.core.errors import ConnectorError

    try:
        yield
    except KeyboardInterrupt as error:
        print("interrupted; what was done is kept, the next sync goes on from there", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from error
    except ConnectorError as error:
        raise typer.Exit(_tell(error, debug=debug)) from error
    except BrokenPipeError:
        raise  # the reader of our output left; typer ends quietly
    except Exception as error:
        if _is_typers(error):
            raise
        raise typer.Exit(_tell_unexpected(error, debug=debug)) from error


def _is_typers(error: Exception) -> bool:
    # Usage errors: a class of click, or of the copy of click that typer brings, depending on its version.
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "format_message")


def _tell(error: Exception, *, debug: bool) -> int:
    from connector_pipelines.core.errors import ConfigurationError, DeletionsHeld
    from connector_pipelines.telemetry import scrub

    if debug:
        print(scrub(traceback.format_exc()), file=sys.stderr)
    print(f"error: {scrub(str(error))}", file=sys.stderr)
    if advice := getattr(error, "advice", ""):
        print(f"fix: {scrub(advice)}", file=sys.stderr)
    if isinstance(error, DeletionsHeld):
        return HELD
    return USAGE if isinstance(error, ConfigurationError) else FAILED


def _tell_unexpected(error: Exception, *, debug: bool) -> int:
    from connector_pipelines.telemetry import scrub

    details = scrub(traceback.format_exc())
    full = _disk_full(error)
    if full:
        print(f"error: the disk is full: {full}", file=sys.stderr)
        print("fix: free some space and run it again; nothing is lost", file=sys.stderr)
        return FAILED
    if refused := _refused(error):
        print(f"error: {refused}", file=sys.stderr)
        print("fix: give the folder to the user we run as, or set CONNECTORS_HOME to another one", file=sys.stderr)
        return USAGE
    print(f"error: unexpected {type(error).__name__}: {scrub(str(error)).splitlines()[0] if str(error) else 'no message'}", file=sys.stderr)
    where = None if debug else _written(details)
    if where is None:
        print(details, file=sys.stderr)
    print(f"fix: this is a fault of connectors itself; report it with the traceback{f' in {where}' if where else ''}", file=sys.stderr)
    return INTERNAL


def _disk_full(error: BaseException | None) -> str | None:
    import errno

    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return str(error.filename or error.strerror)
        error = error.__cause__
    return None


def _refused(error: BaseException | None) -> str | None:
    """What of our home we may not write; None where it is something else."""
    import errno

    from connector_pipelines.core.errors import ConnectorError
    from connector_pipelines.settings import load_settings

    if not isinstance(error, OSError) or error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
        return None
    with suppress(ConnectorError):
        if Path(str(error.filename)).is_relative_to(load_settings().home):
            return f"{error.filename} cannot be written: {error.strerror}"
    return None


def _written(details: str) -> Path | None:
    """The log the traceback went to, or None where it could not be written."""
    from connector_pipelines.core.errors import ConnectorError
    from connector_pipelines.settings import load_settings

    with suppress(OSError, ConnectorError):
        log = load_settings().home / "logs" / "connectors.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} connectors ended unexpectedly\n{details}\n")
        return log
    return None
