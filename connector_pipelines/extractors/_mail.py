"""What does a message say to its reader, whichever format it came in? And what is attached to it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from connector_pipelines.core.errors import PermanentError
from connector_pipelines.core.types import Facts, Finding, InputFile, Section
from connector_pipelines.extractors._html import read_page
from connector_pipelines.extractors._parts import Parts

__all__ = ["SMALL_PICTURE_BYTES", "Attachment", "Body", "Mail", "html_text", "report"]

SMALL_PICTURE_BYTES = 32 * 1024
"""Of a picture in the text: logos of signatures and spacers are below, a picture of a screen that was pasted in is above."""

_SHOWN = (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Bcc", "bcc"), ("Date", "date"), ("Subject", "subject"))
_DETAIL_CHARS = 1000
_STUB_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message. `name` is ready to be one of a `Part`; `blocks` reads the file."""

    name: str
    media_type: str
    blocks: Callable[[], Iterable[bytes]]
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A text of a message; `kind` is plain or html."""

    kind: str
    text: str

    @property
    def readable(self) -> str:
        return html_text(self.text) if self.kind == "html" else self.text


@dataclass(slots=True)
class Mail:
    """A message.

    Attributes:
        headers: By lower-case name: from, to, cc, bcc, date, subject, message-id; decoded.
        bodies: In reading order, of alternatives the one that was chosen.
        pictures: How many small inline pictures were left out.
        warnings: What was lost or guessed.
    """

    headers: dict[str, str] = field(default_factory=dict)
    sent_at: datetime | None = None
    bodies: list[Body] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    pictures: int = 0
    warnings: list[str] = field(default_factory=list)

    def choose(self, alternatives: list[Body]) -> None:
        """Take the plain text of `alternatives`, unless it is a stub such as "your program cannot show this message"."""
        plain = next((body for body in alternatives if body.kind == "plain" and body.text.strip()), None)
        rich = next((body for body in reversed(alternatives) if body.kind == "html"), None)
        if plain and rich:
            words = len(rich.readable.split())
            self.bodies.append(rich if len(plain.text.split()) < words * _STUB_SHARE else plain)
        else:
            self.bodies += [one for one in (plain or rich,) if one]


def html_text(page: str) -> str:
    """The text of a page, its headings where they stand."""
    _, sections = read_page(page)
    return "\n".join(section.text for section in sections)


def report(mail: Mail, file: InputFile) -> Iterator[Finding]:
    """The headers, then the text, so that a search for the sender finds it; the attachments as parts."""
    parts, names, troubles = Parts(file), list[str](), list[str]()
    for attachment in mail.attachments:
        try:
            yield from parts.add(attachment.name, attachment.blocks(), attachment.media_type, attachment.modified_at)
        except PermanentError as error:
            troubles.append(f"{attachment.name} was left out: {error}")
        names.append(attachment.name)
    yield Section("\n".join(_head(mail, names)))
    for body in mail.bodies:
        yield Section(body.readable)
    details: dict[str, str | int | float | bool] = {
        key: mail.headers[key][:_DETAIL_CHARS] for key in ("from", "to", "cc", "message-id") if mail.headers.get(key)
    }
    if mail.sent_at:
        details["date"] = mail.sent_at.isoformat(timespec="seconds")
    details["attachments"] = len(names)
    if mail.pictures:
        details["small_pictures_left_out"] = mail.pictures
    yield Facts(title=mail.headers.get("subject") or None, details=details, warnings=(*mail.warnings, *troubles))
    yield from parts.remarks()


def _head(mail: Mail, names: list[str]) -> Iterator[str]:
    for title, key in _SHOWN:
        if value := mail.headers.get(key):
            yield f"{title}: {value}"
    if names:
        yield f"Attachments: {', '.join(names)}"
