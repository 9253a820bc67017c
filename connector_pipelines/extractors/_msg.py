"""What is in a message as Outlook saves it? (MS-OXMSG)"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from connector_pipelines.core.errors import ConnectorError, Malformed
from connector_pipelines.extractors._cfb import CompoundFile, Entry
from connector_pipelines.extractors._eml import eml
from connector_pipelines.extractors._lzfu import decompress_rtf
from connector_pipelines.extractors._mail import SMALL_PICTURE_BYTES, Attachment, Body, Mail
from connector_pipelines.extractors._mail_text import decode_text
from connector_pipelines.extractors._mapi import Properties
from connector_pipelines.extractors._parts import file_name, suffix_of
from connector_pipelines.extractors._rtf import Rtf

__all__ = ["read_msg"]

_TOP, _INNER, _ITEM = 32, 24, 8  # MS-OXMSG, 2.4.1: what comes before the properties of a message, one inside it, anything else
_MOST_DEPTH = 16
_SUBJECT, _BODY, _HTML, _RTF, _SENT, _DELIVERED = 0x0037, 0x1000, 0x1013, 0x1009, 0x0039, 0x0E06
_SENDER_NAME, _SENDER_ADDRESSES = (0x0C1A, 0x0042), (0x5D01, 0x5D02, 0x0C1F, 0x0065)
_RECIPIENT_ADDRESSES = (0x39FE, 0x3003)
_KINDS = {1: "to", 2: "cc", 3: "bcc"}
_SHOWN = {"to": 0x0E04, "cc": 0x0E03, "bcc": 0x0E02}
_DATA, _NAMES, _MIME, _CONTENT_ID, _HIDDEN, _MODIFIED = 0x3701, (0x3707, 0x3704, 0x3001), 0x370E, 0x3712, 0x7FFE, 0x3008
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


def read_msg(stream: BinaryIO) -> Mail:
    """The message in `stream`, which must stay open while its attachments are read.

    Raises:
        Malformed: It is no such file.
        ResourceError: It, or a text of it, is too large.
    """
    file = CompoundFile(stream)
    if "__properties_version1.0" not in file.root.children:
        raise Malformed("not a message of Outlook: it has no properties")
    return _read(file, file.root, _TOP, 0)


def _read(file: CompoundFile, entry: Entry, header: int, depth: int) -> Mail:
    properties = Properties(file, entry, header=header)
    mail = Mail(sent_at=properties.time(_SENT, _DELIVERED))
    people = _recipients(file, entry, properties.codepage)
    headers = {
        "from": _person(properties.text(*_SENDER_NAME), _address(properties, _SENDER_ADDRESSES)),
        "date": mail.sent_at.strftime("%Y-%m-%d %H:%M UTC") if mail.sent_at else "",
        "subject": properties.text(_SUBJECT),
        "message-id": properties.text(0x1035),
    } | {kind: ", ".join(people.get(kind, ())) or properties.text(shown) for kind, shown in _SHOWN.items()}
    mail.headers |= {key: " ".join(value.split()) for key, value in headers.items() if value.strip()}
    mail.choose(list(_bodies(properties, mail)))
    for name, inner in sorted(entry.children.items()):
        if name.startswith("__attach_version1.0_") and not inner.is_stream:
            _attach(file, inner, mail, properties.codepage, depth)
    return mail


def _bodies(properties: Properties, mail: Mail) -> Iterator[Body]:
    if plain := properties.text(_BODY):
        yield Body("plain", plain)
    page = properties.text(_HTML) or decode_text(properties.binary(_HTML), properties.codepage)
    if page:
        yield Body("html", page)
    if not plain and not page and (packed := properties.binary(_RTF)):
        try:
            # A page put into RTF (MS-OXRTFEX) reads as what a program without HTML would show of it.
            text = "\n".join(block.text for block in Rtf(decompress_rtf(packed)).blocks())
        except ConnectorError as error:
            mail.warnings.append(f"its text cannot be read: {error}")
        else:
            yield Body("plain", text)


def _recipients(file: CompoundFile, entry: Entry, codepage: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, inner in entry.children.items():
        if name.startswith("__recip_version1.0_"):
            one = Properties(file, inner, header=_ITEM, codepage=codepage)
            kind = _KINDS.get(one.integer(0x0C15) & 0xF, "to")
            if person := _person(one.text(0x3001), _address(one, _RECIPIENT_ADDRESSES)):
                found.setdefault(kind, []).append(person)
    return found


def _address(properties: Properties, ids: tuple[int, ...]) -> str:
    """The first that is one of the Internet: inside an organisation Exchange has names like ``/O=FIRM/CN=…``."""
    return next((text for number in ids if "@" in (text := properties.text(number).strip())), "")


def _person(name: str, address: str) -> str:
    name = name.strip().strip("'\"")
    return f"{name} <{address}>" if name and address and name != address else name or address


def _attach(file: CompoundFile, entry: Entry, mail: Mail, codepage: str, depth: int) -> None:
    one = Properties(file, entry, header=_ITEM, codepage=codepage)
    media_type, name = one.text(_MIME).strip().lower(), one.text(*_NAMES)
    message, data = one.storage(_DATA), one.binary_entry(_DATA)
    if message is not None and "__properties_version1.0" in message.children:
        if depth >= _MOST_DEPTH:
            mail.warnings.append(f"messages inside it are nested more than {_MOST_DEPTH} deep; the rest was left out")
            return
        inner = _read(file, message, _INNER, depth + 1)
        name = file_name((inner.headers.get("subject") or name or "message").replace("/", "-").replace("\\", "-"))
        mail.attachments.append(Attachment(f"{name.removesuffix('.eml')}.eml", "message/rfc822", partial(_as_eml, inner), inner.sent_at))
    elif data is not None and data.is_stream:
        is_picture = media_type.startswith("image/") or name.lower().endswith(_PICTURES)
        if is_picture and (one.text(_CONTENT_ID) or one.is_set(_HIDDEN)) and data.size < SMALL_PICTURE_BYTES:
            mail.pictures += 1
            return
        number = len(mail.attachments) + 1
        shown = file_name(name, suffix_of(media_type)) if name.strip() else f"attachment-{number}{suffix_of(media_type)}"
        mail.attachments.append(Attachment(shown, media_type, partial(file.blocks, data), one.time(_MODIFIED)))
    else:
        mail.warnings.append(f"{name or 'an attachment'} is a link or an object of another program, and was left out")


def _as_eml(mail: Mail) -> Iterator[bytes]:
    yield eml(mail)
