"""What does a message, or a mailbox of them, say?"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from datetime import datetime
from email.parser import BytesHeaderParser
from itertools import islice
from typing import BinaryIO, ClassVar

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Section
from connector_pipelines.extractors._mail import report
from connector_pipelines.extractors._mail_text import RAW, decode_header, parse_date
from connector_pipelines.extractors._mbox import Span, message_blocks, messages
from connector_pipelines.extractors._mime import read_message
from connector_pipelines.extractors._msg import read_msg
from connector_pipelines.extractors._parts import Parts, file_name

__all__ = ["Extractor"]

_MBOX = "application/mbox"
_MSG = "application/vnd.ms-outlook"
_HEAD_BYTES = 64 * 1024
_SECTION_LINES = 200


class Extractor:
    """A message is its headers and its text, its attachments are parts; of a mailbox each message is a part."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        "message/rfc822": (".eml", ".mht", ".mhtml"),
        _MBOX: (".mbox",),
        _MSG: (".msg",),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


def _extract(file: InputFile) -> Iterator[Finding]:
    if file.media_type == _MBOX or _holds_several(file):
        yield from _mailbox(file)
    elif file.media_type == _MSG:
        with file.path.open("rb") as stream:
            yield from report(read_msg(stream), file)
    else:
        yield from report(read_message(_bytes(file)), file)


def _holds_several(file: InputFile) -> bool:
    """Whether what goes for one message is a mailbox; some programs put the line that begins one before a single message, too."""
    return file.media_type != _MSG and len(list(islice(messages(file.path), 2))) > 1


def _bytes(file: InputFile) -> bytes:
    data = file.path.read_bytes()
    if not data.strip():
        raise Malformed("the file is empty")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode()
    return data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")


def _mailbox(file: InputFile) -> Iterator[Finding]:
    parts, lines, count = Parts(file), list[str](), 0
    with file.path.open("rb") as stream:
        for count, span in enumerate(messages(file.path), 1):
            subject, line, sent_at = _summary(stream, span)
            name = file_name(f"{count:05d} {subject}".replace("/", "-").replace("\\", "-")).strip() + ".eml"
            yield from parts.add(name, message_blocks(stream, span), "message/rfc822", sent_at)
            lines.append(f"{count}. {line}")
            if len(lines) == _SECTION_LINES:
                yield Section("\n".join(lines))
                lines = []
    if not count:
        raise Malformed("no message begins in it")
    yield Section("\n".join(lines))
    yield Facts(details={"messages": count})
    yield from parts.remarks()


def _summary(stream: BinaryIO, span: Span) -> tuple[str, str, datetime | None]:
    """The subject, and with sender and date the line that stands for the message; when it was sent."""
    head = b"".join(islice(message_blocks(stream, Span(span.start, min(span.end, span.start + _HEAD_BYTES))), 2000))
    message = BytesHeaderParser(policy=RAW).parsebytes(head)
    subject, sender, date = (decode_header(message.get(name, "")) for name in ("subject", "from", "date"))
    return subject, " — ".join(filter(None, (subject, sender, date))), parse_date(date)
