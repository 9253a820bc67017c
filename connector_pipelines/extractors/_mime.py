"""What is in a message as it went over the net (RFC 5322, RFC 2045–2049)?"""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.errors import MessageError
from email.message import Message

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors._mail import SMALL_PICTURE_BYTES, Attachment, Body, Mail
from connector_pipelines.extractors._mail_text import RAW, decode_header, decode_text, parse_date
from connector_pipelines.extractors._parts import file_name, suffix_of

__all__ = ["read_message"]

_HEADERS = ("from", "to", "cc", "bcc", "date", "subject", "message-id")
_SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
_ENCRYPTED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}
_PLAIN = {"message/delivery-status", "message/disposition-notification", "text/rfc822-headers"}
_NOT_TEXT = {"calendar", "rtf", "x-vcard", "vcard", "directory", "css", "javascript"}
_TOO_DEEP = "parts are nested too deeply"


def read_message(data: bytes) -> Mail:
    """The message; what is damaged is read as far as it goes.

    Raises:
        Malformed: There is neither a header nor a text in it.
        ResourceError: Its parts are nested too deeply.
    """
    mail = Mail()
    try:
        message = email.message_from_bytes(data, policy=RAW)
        _read_headers(message, mail)
        _collect(message, mail, mail.bodies)
    except RecursionError as error:
        raise ResourceError(_TOO_DEEP, limit="depth of parts") from error
    if not mail.headers and not any(body.text.strip() for body in mail.bodies) and not mail.attachments:
        raise Malformed("there is no message in it")
    return mail


def _read_headers(message: Message, mail: Mail) -> None:
    found: dict[str, list[str]] = {}
    for name, raw in message.raw_items():
        key = name.lower()
        if key in _HEADERS and (value := decode_header(raw)):
            found.setdefault(key, []).append(value)
    # A repeated `To` names more people; of anything else one counts, and the first is what programs show.
    mail.headers |= {key: ", ".join(values) if key in {"to", "cc", "bcc"} else values[0] for key, values in found.items()}
    mail.sent_at = parse_date(mail.headers.get("date", ""))


def _collect(part: Message, mail: Mail, bodies: list[Body]) -> None:
    """Put the texts of `part` into `bodies`, and what is attached to it into `mail`."""
    media_type = part.get_content_type()
    if media_type in _ENCRYPTED:
        mail.warnings.append("its text is encrypted and was not read")
    if media_type in _PLAIN:
        bodies.append(Body("plain", "\n".join(_fields(part))))
    elif part.get_content_maintype() == "multipart":
        _collect_several(part, mail, bodies)
    elif _is_text(part):
        kind = "html" if media_type in {"text/html", "application/xhtml+xml"} else "plain"
        bodies.append(Body(kind, decode_text(_payload(part), _charset(part))))
    elif media_type not in _SIGNATURES and media_type != "message/external-body":
        _attach(part, mail)


def _collect_several(part: Message, mail: Mail, bodies: list[Body]) -> None:
    children = _children(part)
    if not part.is_multipart():  # its boundary is missing or never comes
        bodies.append(Body("plain", decode_text(_payload(part), "")))
    if part.get_content_subtype() != "alternative":
        for child in children:
            _collect(child, mail, bodies)
        return
    alternatives: list[Body] = []
    for child in children:
        _collect(child, mail, alternatives)
    chosen = Mail()
    chosen.choose(alternatives)
    bodies += chosen.bodies


def _is_text(part: Message) -> bool:
    if part.get_content_disposition() == "attachment" or _given_name(part):
        return False
    return part.get_content_maintype() == "text" and part.get_content_subtype() not in _NOT_TEXT


def _attach(part: Message, mail: Mail) -> None:
    media_type = part.get_content_type()
    if media_type == "message/rfc822":
        mail.attachments.append(Attachment(_message_name(part), media_type, lambda: _inner_message(part)))
        return
    data = _payload(part)
    if media_type.startswith("image/") and part.get("content-id") and len(data) < SMALL_PICTURE_BYTES and not _is_attached(part):
        mail.pictures += 1
        return
    number = len(mail.attachments) + 1
    mail.attachments.append(Attachment(_given_name(part) or f"attachment-{number}{suffix_of(media_type)}", media_type, lambda: [data]))


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment"


def _given_name(part: Message) -> str:
    """What the sender calls the file: RFC 2231, or RFC 2047 in quotes, which no standard allows and everybody writes."""
    try:
        raw = part.get_filename("")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    name = decode_header(raw)
    return file_name(name, suffix_of(part.get_content_type())) if name.strip() else ""


def _message_name(part: Message) -> str:
    if name := _given_name(part):
        return name if name.lower().endswith(".eml") else f"{name}.eml"
    inner = next(iter(_children(part)), None)
    subject = decode_header(inner.get("subject", "")) if inner is not None else ""
    return file_name(subject.replace("/", "-").replace("\\", "-") or "message").removesuffix(".eml") + ".eml"


def _inner_message(part: Message) -> Iterator[bytes]:
    inner = next(iter(_children(part)), None)
    if inner is None:
        yield _payload(part)
        return
    try:
        yield inner.as_bytes(policy=RAW)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Malformed(f"the message inside cannot be put together: {error}") from error


def _fields(part: Message) -> Iterator[str]:
    """Of a report on delivery, which is nothing but headers: RFC 3464, 2.1."""
    for block in _children(part):
        yield from (f"{name}: {decode_header(raw)}" for name, raw in block.raw_items())
    if not part.is_multipart():
        yield decode_text(_payload(part), _charset(part))


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _charset(part: Message) -> str:
    try:
        return part.get_content_charset() or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
