"""Every error this package raises on purpose, grouped by who can do something about it.

ConnectorError
├── TransientError       time heals it: retry within a budget
│   ├── RateLimited      the other side asked us to slow down
│   ├── Unavailable      the other side, or something of ours, is not there just now
│   └── Busy             another run is doing this very work
├── PermanentError       this item will never work: ledger, go on with the rest
│   ├── NotFound         the item is gone
│   ├── Malformed        the bytes are not what they claim to be
│   ├── Encrypted        the bytes need a password nobody gave us
│   └── Mismatch         the bytes are not the ones the source described
├── ConfigurationError   an operator changes a setting, or mounts what is missing: the endpoint fails until then, and looks again
│   └── DeletionsHeld    a sweep would delete more than the set share: it asks first
├── ResourceError        a limit of ours was met: ledger, with the limit and the value
│   └── TooManyFailed    more items of a sync failed than its budget allows
└── SecurityError        do not retry, do not guess: the connector stops and says so
    ├── Unauthenticated  who we are was refused
    └── Forbidden        this item is refused to us; it alone fails
        └── SubjectRefused  we may not act for this user (who left, say): what is theirs fails, and nothing else
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = [
    "Busy", "ConfigurationError", "ConnectorError", "DeletionsHeld", "Encrypted", "ErrorClass", "Forbidden", "Malformed",
    "Mismatch", "NotFound", "PermanentError", "RateLimited", "ResourceError", "SecurityError", "SubjectRefused", "TooManyFailed",
    "TransientError", "Unauthenticated", "Unavailable", "with_code",
]  # fmt: skip

ErrorClass = Literal["transient", "permanent", "configuration", "resource", "security"]


class ConnectorError(Exception):
    """Root.

    Args:
        message: Which thing, what was expected, what was met. Never a secret.
        advice: What a person can do about it, or empty.

    Attributes:
        code: Stable; shared by the ledger, logs, metrics and exit messages. Never reworded.
        error_class: One of the five.
        stops_connector: Whether the connector waits for a person before it syncs again.
    """

    code: ClassVar[str] = "connector_error"
    error_class: ClassVar[ErrorClass] = "permanent"
    stops_connector: ClassVar[bool] = False

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def as_json(self) -> dict[str, str]:
        """Code, class, message and advice, to be kept and shown."""
        return {"code": self.code, "class": self.error_class, "message": str(self), "advice": self.advice}


class TransientError(ConnectorError):
    """Expected to pass.

    Args:
        retry_after_s: Seconds to wait that the other side asked for, or None.
    """

    code = "transient"
    error_class = "transient"

    def __init__(self, message: str, *, advice: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, advice=advice)
        self.retry_after_s = retry_after_s


class RateLimited(TransientError):
    """Asked to slow down.

    Args:
        bucket: Which of the client's buckets is to pause; None for the narrowest.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, advice: str = "", retry_after_s: float | None = None, bucket: str | None = None) -> None:
        super().__init__(message, advice=advice, retry_after_s=retry_after_s)
        self.bucket = bucket


class Unavailable(TransientError):
    code = "unavailable"


class Busy(TransientError):
    code = "busy"


class PermanentError(ConnectorError):
    code = "permanent"


class NotFound(PermanentError):
    code = "not_found"


class Malformed(PermanentError):
    code = "malformed"


class Encrypted(PermanentError):
    code = "encrypted"


class Mismatch(PermanentError):
    code = "mismatch"


class ConfigurationError(ConnectorError):
    code = "configuration"
    error_class = "configuration"


class DeletionsHeld(ConfigurationError):
    """A complete enumeration lacks more known files than may vanish unasked; nothing was deleted."""

    code = "deletions_held"


class ResourceError(ConnectorError):
    """A limit of ours was met.

    Args:
        limit: The limit's name and value, as in ``memory=2 GiB``.
    """

    code = "resource"
    error_class = "resource"

    def __init__(self, message: str, *, advice: str = "", limit: str = "") -> None:
        super().__init__(message, advice=advice)
        self.limit = limit


class TooManyFailed(ResourceError):
    code = "too_many_failed"


class SecurityError(ConnectorError):
    code = "security"
    error_class = "security"
    stops_connector = True


class Unauthenticated(SecurityError):
    code = "unauthenticated"


class Forbidden(SecurityError):
    code = "forbidden"
    stops_connector = False


class SubjectRefused(Forbidden):
    """The sign-in works, but not as this user: they left, were suspended, or never existed (`HttpOptions.subject`)."""

    code = "subject_refused"


def with_code(code: str, message: str) -> ConnectorError:
    """The error of that stable code, or a `PermanentError` where no class of ours has it."""
    return _BY_CODE.get(code, PermanentError)(message)


def _tree(root: type[ConnectorError]) -> dict[str, type[ConnectorError]]:
    found = {root.code: root}
    for branch in root.__subclasses__():
        found |= _tree(branch)
    return found


_BY_CODE = _tree(ConnectorError)
