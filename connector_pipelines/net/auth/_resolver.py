"""The secrets of one sign-in: fetched when needed, and fetched anew when what they make was refused."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

__all__ = ["Forget", "Resolver", "Secret"]

Secret = Callable[[str], SecretStr]
"""Resolves a reference. Raises `ConfigurationError` naming it."""

Forget = Callable[[str], None]
"""Told that what a reference stood for was refused: it is fetched anew when it is resolved next."""


class Resolver:
    """A `Secret` that knows what it was asked for."""

    def __init__(self, secret: Secret, forget: Forget | None = None) -> None:
        self._secret, self._forget = secret, forget
        self._asked: set[str] = set()

    def __call__(self, reference: str) -> SecretStr:
        self._asked.add(reference)
        return self._secret(reference)

    def refused(self) -> None:
        """Fetch everything anew when it is needed next: it may have been replaced since."""
        for reference in tuple(self._asked) if self._forget else ():
            self._forget(reference)  # type: ignore[misc]
