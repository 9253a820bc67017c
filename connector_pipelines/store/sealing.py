"""How what must not be read in the database is sealed in it: AES-256-GCM, under keys that are kept elsewhere.

What is sealed is bound to its place (table and row) and to the id of its key: moved to another row it does not open.
Several keys may be in force. The first one seals, all of them open, so that a key is replaced while everything runs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.telemetry import get_logger, redact

__all__ = ["KeySource", "Sealer", "SealingKey", "given_keys", "keys_below", "keys_in", "new_key", "no_keys", "secret_place", "token_place"]

KEY_BYTES = 32
NONCE_BYTES = 12
"""96 bits, random: safe for 2^32 seals under one key (NIST SP 800-38D, 8.3)."""

_MAX_FILE_BYTES = 64 * 1024
_VERSION = b"connector_pipelines/1"
_MAKE_ONE = "make one with `connectors secrets new-key`"


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key, and the name it goes by in rows and messages: derived from the key, and telling nothing of it."""

    id: str
    key: bytes = field(repr=False)


KeySource = Callable[[], Sequence[SealingKey]]
"""The keys in force, read anew each time, the one that seals first. Raises `ConfigurationError` where there are none."""


class Sealer:
    """Seals and opens.

    Args:
        keys: Asked at every use: a key added to or taken out of a file counts at once.
    """

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of all keys in force."""
        return tuple(key.id for key in self._keys())

    @property
    def key_id(self) -> str:
        """Of the key that seals.

        Raises:
            ConfigurationError: There is no key.
        """
        return self._keys()[0].id

    def seal(self, plaintext: bytes, *, place: str) -> tuple[str, bytes]:
        """The id of the key, and nonce, ciphertext and tag; `place` is the row's own, as `secret_place` and `token_place` make it.

        Raises:
            ConfigurationError: There is no key.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, nonce = self._keys()[0], os.urandom(NONCE_BYTES)
        return key.id, nonce + AESGCM(key.key).encrypt(nonce, plaintext, _bound(key.id, place))

    def open(self, key_id: str, sealed: bytes, *, place: str) -> bytes:
        """What was sealed there.

        Raises:
            ConfigurationError: Its key is not in force, or the row is not what was sealed.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        found = next((key for key in self._keys() if key.id == key_id), None)
        if found is None:
            raise ConfigurationError(
                f"{place} is sealed under the key {key_id}, which is not among the keys in force ({', '.join(self.key_ids)})",
                advice="Add that key to CONNECTORS_SECRET_KEYS or its file. If it is lost, store the secret anew (`connectors secrets set`)"
                " or sign in anew (`connectors auth`).",
            )
        with suppress(InvalidTag, ValueError):
            return AESGCM(found.key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(key_id, place))
        raise ConfigurationError(
            f"{place} does not open with its key {key_id}: the row was changed, or moved from elsewhere",
            advice="Restore the row from a backup, or store the secret anew.",
        )


def secret_place(name: str) -> str:
    """Where the secret of that name is."""
    return f"secrets/{name}"


def token_place(connector_id: str, subject: str = "") -> str:
    """Where the token of that connector is, its own or the one of a user it acts for; `connector_id` is a UUID in its usual form."""
    return f"tokens/{connector_id}/{subject}" if subject else f"tokens/{connector_id}"


def new_key() -> str:
    """A key as settings and files hold it: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def given_keys(text: SecretStr) -> KeySource:
    """The keys in a setting, separated by commas or white space.

    Raises:
        ConfigurationError: At once, where one is no key.
    """
    found = _keys(text.get_secret_value(), "CONNECTORS_SECRET_KEYS")
    return lambda: found


def keys_in(path: Path) -> KeySource:
    """The keys in a file, one on each line; lines that begin with `#` are left out."""
    return lambda: _keys(_read(path), str(path))


def keys_below(path: Path) -> KeySource:
    """The same for a file of ours: made, with one key, when a key is first asked for."""

    def keys() -> Sequence[SealingKey]:
        if not path.exists():
            _make(path)
        return _keys(_read(path), str(path))

    return keys


def no_keys() -> Sequence[SealingKey]:
    """The source of who has none, and may not make one: a database that others use too needs a key that they have too."""
    raise ConfigurationError(
        "there is no key to seal secrets with: DATABASE_URL is set, and neither CONNECTORS_SECRET_KEYS nor CONNECTORS_SECRET_KEYS_FILE is",
        advice=f"Set one of them, the same for every process of the installation; {_MAKE_ONE}.",
    )


def _keys(text: str, where: str) -> tuple[SealingKey, ...]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    words = [word for line in lines for word in re.split(r"[,\s]+", line) if word]
    if not words:
        raise ConfigurationError(f"{where} holds no key", advice=f"{_MAKE_ONE[0].upper()}{_MAKE_ONE[1:]}.")
    found = {key.id: key for number, word in enumerate(words, 1) for key in [_key(word, f"key {number} of {where}")]}
    return tuple(found.values())


def _key(word: str, which: str) -> SealingKey:
    redact(word)
    # In hex too, as scripts make all their secrets: 64 digits are 48 bytes of base64, and so no key in that.
    raw = bytes.fromhex(word) if re.fullmatch(r"[0-9a-fA-F]{64}", word) else b""
    with suppress(binascii.Error, ValueError):
        # With or without padding, of either alphabet: `openssl rand -base64 32` makes one too.
        raw = raw or base64.b64decode(
            word.rstrip("=").replace("-", "+").replace("_", "/") + "=" * (-len(word.rstrip("=")) % 4), validate=True
        )
    if len(raw) != KEY_BYTES:
        raise ConfigurationError(
            f"{which} is not {KEY_BYTES} bytes in base64 or hex (not shown)", advice=f"{_MAKE_ONE[0].upper()}{_MAKE_ONE[1:]}."
        )
    return SealingKey(hashlib.sha256(b"connector_pipelines key id\0" + raw).hexdigest()[:12], raw)


def _bound(key_id: str, place: str) -> bytes:
    return b"\0".join((_VERSION, place.encode(), key_id.encode()))


def _read(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            raise ConfigurationError(f"the file of keys {path} is not a small file", advice="Name a file with a key on each line.")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigurationError(
            f"the file of keys {path} cannot be read: {reason}", advice="Check the path and its permissions."
        ) from error
    if status.st_mode & stat.S_IROTH:
        get_logger(__name__).warning("file_of_keys_readable_by_everyone", path=str(path), fix=f"chmod 600 {path}")
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")
    # Out here: that error carries the bytes.
    raise ConfigurationError(f"the file of keys {path} is not text", advice="Name a file with a key on each line.")


def _make(path: Path) -> None:
    """Write a key to a file that is not there, whole or not at all; of several who do so at once, the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(f"# Seals secrets and tokens in the database beside it. Back it up apart from that.\n{new_key()}\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link does not replace the file of somebody who was faster.
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
