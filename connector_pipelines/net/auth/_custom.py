"""Sign-ins of other distributions: entry points of the group `connector_pipelines.auth`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import TypeVar

from connector_pipelines.core.auth import CustomAuth
from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.net.auth._resolver import Secret
from connector_pipelines.net.protocols import ClientCertificate, SignIn
from connector_pipelines.telemetry import scrub

__all__ = ["GROUP", "custom_sign_in"]

GROUP = "connector_pipelines.auth"
_MEMBERS = ("certificate", "headers", "params", "refused")
T = TypeVar("T")


def custom_sign_in(auth: CustomAuth, secret: Secret) -> SignIn:
    """What the entry point of that name makes, called as ``made(settings, secret)``.

    Raises:
        ConfigurationError: There is no such entry point, two distributions claim it, it does not import, does not take its
            settings, or makes no sign-in.
    """
    found = list(importlib.metadata.entry_points(group=GROUP, name=auth.kind))
    if len(found) != 1:
        raise _not_one(auth.kind, found)
    what = f"the sign-in {auth.kind!r} of {_distribution(found[0])}"
    made = _asked(what, lambda: found[0].load()(dict(auth.settings), secret))
    if missing := [name for name in _MEMBERS if not hasattr(made, name)]:
        raise ConfigurationError(f"{what} is none: it has no {', '.join(missing)}", advice="update or remove it")
    return _OfOthers(what, made)


class _OfOthers:
    """A `SignIn` whose errors are told as ours: theirs may quote a secret."""

    def __init__(self, what: str, made: SignIn) -> None:
        self._what, self._made = what, made

    @property
    def certificate(self) -> ClientCertificate | None:
        return _asked(self._what, lambda: self._made.certificate)

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        return _asked(self._what, lambda: self._made.headers(method, url, body))

    def params(self) -> Mapping[str, str]:
        return _asked(self._what, self._made.params)

    def refused(self, headers: Mapping[str, str]) -> bool:
        return _asked(self._what, lambda: self._made.refused(headers))


def _asked(what: str, act: Callable[[], T]) -> T:
    try:
        return act()
    except ConnectorError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever somebody else's code raises, it is that connector's trouble alone
        problem = scrub(f"{type(error).__name__}: {error}")
    # Out here, or Python would keep their error on ours.
    raise ConfigurationError(f"{what} does not work: {problem}", advice="check `settings:` of `auth`, or update it")


def _not_one(kind: str, found: list[importlib.metadata.EntryPoint]) -> ConfigurationError:
    if found:
        claimants = sorted(map(_distribution, found))
        return ConfigurationError(f"the sign-in {kind!r} is claimed by {' and '.join(claimants)}", advice="uninstall all but one")
    known = sorted({point.name for point in importlib.metadata.entry_points(group=GROUP)})
    return ConfigurationError(
        f"there is no sign-in {kind!r}; installed: {', '.join(known) or 'none'}",
        advice="correct `kind`, or install the package that brings it",
    )


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else "?"
