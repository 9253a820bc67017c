"""What a secret reference stands for: `env:NAME` or `file:PATH`, read when it is needed and never kept."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.telemetry import get_logger, redact

__all__ = ["Secrets"]

MAX_SECRET_BYTES = 64 * 1024

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Named in an error only when it is one of these: what stands before the colon may be the beginning of a password.
_OTHER_SCHEMES = ("aws", "azure", "docker", "gcp", "k8s", "keyring", "vault")
_KNOWN = "a secret is given as env:NAME (an environment variable) or file:PATH (a file that holds it)"


class Secrets:
    """Resolves secret references.

    Args:
        environ: Where `env:` looks.
        base: Folder that a relative path after `file:` starts from.
    """

    def __init__(self, environ: Mapping[str, str], base: Path) -> None:
        self._environ, self._base = environ, base
        self._warned: set[Path] = set()

    def resolve(self, reference: str) -> SecretStr:
        """The secret itself; from here on it is masked in logs.

        A file is read anew each time, so a secret that was rotated is picked up. Newlines at its end are dropped.

        Raises:
            ConfigurationError: Not a reference, or what it names is missing, empty, too large or unreadable.
        """
        scheme, colon, name = reference.partition(":")
        readers: dict[str, Callable[[str], str]] = {"env": self._variable, "file": self._file}
        if not colon or scheme not in readers:
            raise _not_a_reference(reference, scheme if colon else "")
        value = readers[scheme](name)
        if not value.strip():
            raise ConfigurationError(f"secret {reference!r} is empty", advice="Give it a value.")
        redact(value)
        return SecretStr(value)

    def _variable(self, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            redact(name)
            raise ConfigurationError(
                "a secret reference begins with env: but what follows is not the name of an environment variable (not shown)",
                advice="Write env:NAME, and put the secret itself into the variable NAME.",
            )
        if name not in self._environ:
            raise ConfigurationError(
                f"secret 'env:{name}': the environment variable {name} is not set", advice=f"Set {name} where this process is started."
            )
        return self._environ[name]

    def _file(self, name: str) -> str:
        path = self._base / name
        try:
            path = self._base / Path(name).expanduser()
            status = path.stat()
            # A pipe or a device would hang, or never end.
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError(
                    f"secret 'file:{name}' is not a file: {path}", advice="Name a file that holds the secret and nothing else."
                )
            with path.open("rb") as stream:
                content = stream.read(MAX_SECRET_BYTES + 1)
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise ConfigurationError(
                f"secret 'file:{name}' cannot be read from {path}: {reason}", advice="Check the path and its permissions."
            ) from error
        if status.st_mode & stat.S_IROTH:
            self._warn_once(path, name)
        return _text(content, name)

    def _warn_once(self, path: Path, name: str) -> None:
        if path not in self._warned:
            self._warned.add(path)
            get_logger(__name__).warning("secret_file_readable_by_everyone", reference=f"file:{name}", fix=f"chmod o-r {path}")


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigurationError(
            f"secret 'file:{name}' is larger than {MAX_SECRET_BYTES} bytes", advice="Name a file that holds the secret and nothing else."
        )
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig").rstrip("\r\n")
    # Out here, not in an except clause: that error carries the bytes, and Python keeps it on whatever is raised there.
    raise ConfigurationError(f"secret 'file:{name}' is not UTF-8 text", advice="Store the secret as text.")


def _not_a_reference(reference: str, scheme: str) -> ConfigurationError:
    if scheme in _OTHER_SCHEMES:
        return ConfigurationError(f"secret {reference!r}: unknown scheme {scheme!r}; known: env:, file:", advice="Use one of these two.")
    redact(reference)
    return ConfigurationError(
        f"a value stands where a secret reference belongs (not shown); {_KNOWN}",
        advice="Move the secret into an environment variable or a file, put the reference in its place, and change the secret if others could read it.",
    )
