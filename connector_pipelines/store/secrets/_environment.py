"""`env:NAME`: secrets in environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.telemetry import redact

__all__ = ["Environment"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Environment:
    """`SecretBackend` over a mapping."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def fetch(self, name: str) -> str:
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

    def close(self) -> None:
        """Nothing is held."""
