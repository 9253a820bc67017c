"""Which of our errors an error of the file system is."""

from __future__ import annotations

import errno
import os

from connector_pipelines.core.errors import ConnectorError, Forbidden, NotFound, Unavailable

__all__ = ["fault"]

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO})
_REFUSED = frozenset({errno.EACCES, errno.EPERM})


def fault(error: OSError, what: str) -> ConnectorError:
    """`what` could not be had because of `error`."""
    reason = f"{what}: {os.strerror(error.errno or errno.EIO)}"
    if error.errno in _GONE:
        return NotFound(reason)
    if error.errno in _REFUSED:
        advice = f"Let user {os.geteuid()}, as whom the sync runs, read it."
        return Forbidden(reason, advice=advice)
    return Unavailable(reason)
