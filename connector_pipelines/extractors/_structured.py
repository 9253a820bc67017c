"""Is this text a message, a mailbox or XML? By how it begins."""

from __future__ import annotations

import re

__all__ = ["structured_type"]

_FIELD = re.compile(rb"([!-9;-~]{1,76}):(?:[ \t]|$)")  # RFC 5322, 2.2 and 3.6.8
_OF_PEOPLE = {b"from", b"to", b"subject", b"date"}
# Nobody writes these by hand at the top of a text; of the ones above, a note may well have three.
_OF_MACHINES = {
    b"received", b"return-path", b"message-id", b"mime-version", b"delivered-to", b"dkim-signature", b"content-transfer-encoding", b"x-mailer",
    b"x-received", b"authentication-results", b"references", b"in-reply-to", b"x-mozilla-status", b"x-originating-ip", b"content-type",
}  # fmt: skip
_MAILBOX = re.compile(rb"From \S[^\r\n]{0,200}\d{1,2}:\d\d(?::\d\d)?[^\r\n]{0,60}\r?\n(?:[!-9;-~]{1,76}:|\r?\n)")
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b")
_WIDE_XML = ("<?xml".encode("utf-16-le"), "<?xml".encode("utf-16-be"))
_FLAT = re.compile(
    rb"<office:document\s[^>]{0,8000}office:mimetype=[\"'](application/vnd\.oasis\.opendocument\.(?:text|presentation|graphics))[\"']"
)


def structured_type(head: bytes) -> str:
    """The media type that the text beginning with `head` is of beyond doubt, or empty."""
    if _MAILBOX.match(head):
        return "application/mbox"
    if _XML.match(head) or head[2:].startswith(_WIDE_XML):
        flat = _FLAT.search(head)
        return f"{flat[1].decode()}-flat-xml" if flat else "application/xml"
    return "message/rfc822" if _is_message(head) else ""


def _is_message(head: bytes) -> bool:
    names = set[bytes]()
    for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
        if not line:
            break
        if line[:1] in b" \t":
            continue
        field = _FIELD.match(line)
        if not field:
            return False
        names.add(field[1].lower())
    return len(names & _OF_MACHINES) >= 2 and (bool(names & _OF_PEOPLE) or b"mime-version" in names)
