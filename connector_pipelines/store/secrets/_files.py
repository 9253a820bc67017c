"""`file:PATH`: secrets in files, read anew each time."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.telemetry import get_logger

__all__ = ["MAX_SECRET_BYTES", "Files"]

MAX_SECRET_BYTES = 64 * 1024


class Files:
    """`SecretBackend` over files; a relative path starts from `base`."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._warned: set[Path] = set()

    def fetch(self, name: str) -> str:
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

    def close(self) -> None:
        """Nothing is held."""

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
