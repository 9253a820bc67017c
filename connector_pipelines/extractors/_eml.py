"""How is a message that another format holds written down as one of the net, so that it can be a file of its own?"""

from __future__ import annotations

import email
import email.encoders
import email.utils
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32

from connector_pipelines.core.errors import PermanentError
from connector_pipelines.extractors._bounds import clean
from connector_pipelines.extractors._mail import Attachment, Mail

__all__ = ["eml"]


def eml(mail: Mail) -> bytes:
    """`mail` as RFC 5322 has it. An attachment that cannot be read is left out, and named in the text."""
    message = MIMEMultipart(policy=compat32)
    for name in ("from", "to", "cc", "bcc", "subject", "message-id"):
        if value := mail.headers.get(name):
            line = " ".join(clean(value).split())
            message[name.capitalize()] = line if line.isascii() else Header(line, "utf-8").encode()
    if mail.sent_at:
        message["Date"] = email.utils.format_datetime(mail.sent_at)
    for body in mail.bodies:
        message.attach(MIMEText(clean(body.text), body.kind, "utf-8"))
    for attachment in mail.attachments:
        try:
            message.attach(_part(attachment))
        except PermanentError as error:
            message.attach(MIMEText(clean(f"{attachment.name} was left out: {error}"), "plain", "utf-8"))
    return message.as_bytes(policy=compat32)


def _part(attachment: Attachment) -> Message:
    data = b"".join(attachment.blocks())
    part: Message
    if attachment.media_type == "message/rfc822":
        part = MIMEMessage(email.message_from_bytes(data, policy=compat32))
    else:
        main, _, sub = attachment.media_type.partition("/")
        part = MIMEBase(
            *((main, sub) if main.isalnum() and sub and sub.isascii() and sub.isprintable() else ("application", "octet-stream"))
        )
        part.set_payload(data)
        email.encoders.encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", attachment.name))
    return part
