"""How what happens is told: structured log events, with every secret masked before anything is written.

Two nets. A value handed to `redact` is masked wherever it turns up. What merely looks like a secret (a password
in a URL, `token=…`, an Authorization header, the signature of a presigned link) is masked by its shape.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from connector_pipelines.known_secrets import MASK, KnownSecrets

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

__all__ = ["MASK", "LogFormat", "configure_logging", "get_logger", "masked", "redact", "scrub"]

LogFormat = Literal["console", "json"]

_NAMESPACE = "connector_pipelines"
# What we call and what logs on its own. They get our handler by name: the root logger belongs to the process, and
# Dagster's loggers propagate to it.
_LIBRARIES = (
    "alembic", "authlib", "google", "google_auth_httplib2", "googleapiclient", "httpcore", "httplib2", "httpx", "minio", "psycopg", "pypdf",
    "sqlalchemy", "urllib3",
)  # fmt: skip
# As `core.references.SCHEMES`, which would bring pydantic into processes that do without.
_REFERENCES = ("env:", "file:", "vault:", "aws:", "store:")
_DEEPEST = 6

_SECRET_WORDS = (
    "passw", "pwd", "passphrase", "secret", "token", "apikey", "api_key", "api-key", "access_key", "access-key", "accesskey",
    "private_key", "credential", "signature", "sig=", "authorization", "cookie", "bearer", "key=", "code=", "tempauth",
    "resourcekey", "resource-key", "resource_key",
)  # fmt: skip
_SECRET_NAME = re.compile(
    r"(?i)(?:^|[^a-z])(?:password|passwd|pwd|passphrase|secret|token|(?:api|access|private|resource)[_-]?key|credential|authorization|cookie|signature)s?(?:$|[^a-z])"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_URL_PASSWORD = re.compile(r"""(://[^\s/:@"<>]*:)(?!\d{1,5}[/?#\s])[^\s"<>]+@""")
_AUTHORIZATION = re.compile(r"""(?i)(authorization["']?\s*[:=]\s*["']?)(?!\*\*\*)[^\r\n"',}]+""")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{8,}")
_KEYED = re.compile(
    r"""(?ix)
    (
      (?<! :[0-9]{12}: )  # an ARN of AWS: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
      (?: passw(?:or)?d | pwd | passphrase | secret(?:[_-]access)?(?:[_-]key)? | token(?!s) | api[_-]?key | access[_-]?key | private[_-]?key
        | credential | signature | cookie | (?<![a-z])sig | (?<=[?&])(?:key|code|tempauth) )s?
      (?: ["']\s*[:=]\s* | \s*=\s* | \s*:\s*(?=["']) | :\s*(?=[^\s,;&"'})]+\s*(?:$|[\r\n,;}])) )
    )
    (?! [\[(]? ["']? (?: \*\*\* | (?:env|file|vault|aws|store): ) )
    (?: "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [\[(][^\])]*[\])] | [^\s,;&"'})]+ )
    """
)
# Of Google Drive: whoever has one, and the id beside it, may read the file. As a header it is a list of both.
_RESOURCE_KEY = re.compile(r"""(?i)(resource[_-]?keys?["']?\s*[:=]\s*["']?)(?!\*\*\*)[^\s"'&<>})]+""")
_CONTROL = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))} | {9: "\\t", 10: "\\n", 13: "\\r"}


def redact(value: str, *, passing: bool = False) -> None:
    """Mask `value` from now on, in every log event of this process and in whatever goes through `scrub`.

    It is also masked as it looks inside a URL, inside JSON or HTML and inside a repr, and line by line (a key in PEM form). A value
    shorter than 12 characters is masked as a whole word only; shorter than 4, not at all.

    Args:
        passing: It is good for a while only, as an access token or a code: of those, the newest are known.
    """
    _known.add(value, passing=passing)


def scrub(text: str) -> str:
    """`text` with every known secret, and everything that looks like one, replaced by `MASK`."""
    return _mask_shapes(_known.mask(text))


def masked(name: str, value: object) -> object:
    """`value` as an event shows it under `name`: scrubbed, or `MASK` where the name says that it is a secret.

    References (`env:NAME`, `vault:MOUNT/PATH#FIELD` and the like) are no secrets. What is not a number, a mapping or a list becomes text.
    """
    return _masked(name, value, 0)


def configure_logging(level: str, format: LogFormat) -> None:  # noqa: A002 -- the word for it in every logging library
    """Write events of this package, and warnings of the libraries it calls, to standard error. May be called again.

    The root logger and Dagster's are left as they are.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter(format, colors=sys.stderr.isatty()))
    _attach(_NAMESPACE, handler, level)
    for name in _LIBRARIES:
        _attach(name, handler, "DEBUG" if level == "DEBUG" else "WARNING")


def get_logger(name: str) -> BoundLogger:
    """A logger of events with fields: ``log.info("sync_finished", endpoint=…, files=…)``. `name` is ``__name__``."""
    import structlog

    # Not structlog.configure: that is one setting for the whole process, and Dagster makes its own.
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.processors.format_exc_info, _to_record],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
    ).bind()
    return logger


# The one thing here that outlives a call: logging is one for the process, and so is what must never appear in it.
_known = KnownSecrets()


class _Event:
    """What a record of ours carries as its message: fields for our handler, one line of text for any other."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    def __str__(self) -> str:
        pairs = (f"{name}={value}" for name, value in self.fields.items() if name not in {"event", "exception"})
        line = " ".join((str(self.fields.get("event", "")), *pairs))
        return "\n".join(part for part in (line, self.fields.get("exception")) if part)


class _Handler(logging.StreamHandler[Any]):
    """Ours, told from others by its type."""


class _Formatter(logging.Formatter):
    def __init__(self, style: LogFormat, *, colors: bool) -> None:
        super().__init__()
        self._render = _json_renderer() if style == "json" else _console_renderer(colors=colors)

    def format(self, record: logging.LogRecord) -> str:
        message: object = record.msg
        fields = dict(message.fields) if isinstance(message, _Event) else self._foreign(record)
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        return self._render(fields | line)

    def _foreign(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {"event": scrub(record.getMessage())}
        if record.exc_info:
            fields["exception"] = scrub(self.formatException(record.exc_info))
        return fields


def _json_renderer() -> Callable[[dict[str, Any]], str]:
    from structlog.processors import JSONRenderer

    renderer = JSONRenderer()
    return lambda fields: str(renderer(None, "", fields))


def _console_renderer(*, colors: bool) -> Callable[[dict[str, Any]], str]:
    from structlog.dev import ConsoleRenderer, plain_traceback

    # The pretty traceback prints local variables, and those hold secrets.
    renderer = ConsoleRenderer(colors=colors, exception_formatter=plain_traceback, pad_event_to=0, pad_level=False)
    return lambda fields: renderer(None, "", {name: _one_line(name, value) for name, value in fields.items()})


def _one_line(name: str, value: object) -> object:
    # A file called "x\n2026-01-01 error …" must not write a line of its own, nor one with escape codes paint the terminal.
    return value.translate(_CONTROL) if isinstance(value, str) and name != "exception" and not value.isprintable() else value


def _attach(name: str, handler: logging.Handler, level: str) -> None:
    logger = logging.getLogger(name)
    for old in [h for h in logger.handlers if isinstance(h, _Handler)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level)
    # A handler further up would write the event a second time, and a library's without masking.
    logger.propagate = False


def _to_record(_logger: object, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[_Event], dict[str, Any]]:
    return (_Event({name: masked(name, value) for name, value in event.items()}),), {}


def _masked(name: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _names_a_secret(name) and not str(value).startswith(_REFERENCES):
        return MASK
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {scrub(str(key)): _masked(str(key), each, depth + 1) for key, each in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_masked("", each, depth + 1) for each in value]
    return scrub(str(value))


def _names_a_secret(name: str) -> bool:
    return bool(name) and (bool(_SECRET_NAME.search(name)) or bool(_SECRET_NAME.search(_CAMEL.sub("_", name))))


def _mask_shapes(text: str) -> str:
    if "://" in text and "@" in text:
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    lowered = text.lower()
    # Nine events in ten hold none of these words, and a substring costs a hundredth of a pattern.
    if any(word in lowered for word in _SECRET_WORDS):
        text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
        text = _BEARER.sub(rf"\1{MASK}", text)
        text = _RESOURCE_KEY.sub(rf"\1{MASK}", text)
        text = _KEYED.sub(rf"\1{MASK}", text)
    return text
