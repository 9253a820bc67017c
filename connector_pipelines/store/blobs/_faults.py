"""How faults of this machine's disk are told as errors of ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector_pipelines.core.errors import ConfigurationError, Unavailable

__all__ = ["disk_faults"]

# EFBIG: a limit of the process or of the file system, which the next file would meet as well.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """Tell an error of the operating system, met in the folder `place`, as one of ours."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in _FULL:
            raise Unavailable(f"no room to write in {place}: {reason}", advice="free some space; what failed is tried again") from error
        if error.errno in _REFUSED:
            raise ConfigurationError(
                f"{place} is not a folder we can use: {reason} ({error.filename or place})",
                advice="give it to the user we run as, or set another folder",
            ) from error
        raise Unavailable(f"{place} cannot be used just now: {reason}", advice="see that its disk is mounted and sound") from error
