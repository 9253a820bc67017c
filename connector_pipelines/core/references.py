"""What stands in settings where a secret would: a reference to it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["FORMS", "LOCAL_SCHEMES", "SCHEMES", "LocalReference", "SecretReference", "is_reference"]

FORMS = {
    "env": "env:NAME",
    "file": "file:PATH",
    "vault": "vault:MOUNT/PATH#FIELD",
    "aws": "aws:NAME#FIELD",
    "store": "store:NAME",
}
"""How each kind of reference is written, by its scheme."""

SCHEMES = tuple(f"{scheme}:" for scheme in FORMS)
"""What references begin with."""

LOCAL_SCHEMES = ("env", "file")
"""Of those that need nothing but this process and its machine."""

_BY_SCHEME = {
    "env": r"[A-Za-z_][A-Za-z0-9_]*",
    "file": r"\S.*",
    # In the order of a URL: path, query, fragment.
    "vault": r"[^\s#?/][^\s#?]*/[^\s#?]*[^\s#?/](?:\?version=[1-9][0-9]{0,9})?#[^\n#]*[^\s#]",
    # Names and ARNs as Secrets Manager has them (CreateSecret, `Name`); neither holds a `#`.
    "aws": r"[A-Za-z0-9/_+=.@:-]+(?:#[^\n#]*[^\s#])?",
    "store": r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,198}[A-Za-z0-9])?",
}
_REFERENCE = {scheme: re.compile(pattern, re.DOTALL) for scheme, pattern in _BY_SCHEME.items()}


def is_reference(value: str, schemes: tuple[str, ...] = tuple(FORMS)) -> bool:
    """Whether `value` is written as a reference of one of `schemes`."""
    scheme, colon, name = value.partition(":")
    return bool(colon) and scheme in schemes and _REFERENCE[scheme].fullmatch(name) is not None


def _reference(value: str) -> str:
    if not is_reference(value):
        raise ValueError(f"should be a reference to a secret, {_listed(tuple(FORMS))}, never the secret itself (not shown)")
    return value


def _local_reference(value: str) -> str:
    if not is_reference(value, LOCAL_SCHEMES):
        raise ValueError(f"should be a reference to a secret, {_listed(LOCAL_SCHEMES)}, never the secret itself (not shown)")
    return value


def _listed(schemes: tuple[str, ...]) -> str:
    *most, last = (FORMS[scheme] for scheme in schemes)
    return f"{', '.join(most)} or {last}"


SecretReference = Annotated[str, AfterValidator(_reference)]
"""One of `FORMS`. A secret in its place is refused before it gets into a row, a form or a log."""

LocalReference = Annotated[str, AfterValidator(_local_reference)]
"""`env:NAME` or `file:PATH`: for what is needed before any other place of secrets can be asked."""
