"""What documents of Google's own are exported as: they have no bytes themselves.

Formats are those of https://developers.google.com/workspace/drive/api/guides/ref-export-formats (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from pydantic import Field

from connector_pipelines.core.durations import Duration
from connector_pipelines.core.protocols import SourceConfig

__all__ = ["EXPORT_OFF", "NATIVE", "NO_EXPORT", "ExportSettings", "Format", "format_of", "setting_of"]

NATIVE: Final = "application/vnd.google-apps."
"""What the types of Google's own documents begin with; folders and shortcuts are of them too."""

NO_EXPORT: Final = "no_export"
"""Reason to skip: nothing can be exported of a document of this type (forms, sites, maps, and what other applications keep in Drive)."""

EXPORT_OFF: Final = "export_off"
"""Reason to skip: the settings say so."""

_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN: Final = "application/vnd.oasis.opendocument."


@dataclass(frozen=True, slots=True)
class Format:
    """What an export is.

    Attributes:
        media_type: As Google names it.
        suffix: With its dot.
    """

    media_type: str
    suffix: str

    def name(self, title: str) -> str:
        """What a document of this title is called as a file."""
        return title if title.lower().endswith(self.suffix) else title + self.suffix


class ExportSettings(SourceConfig):
    """What documents of Google's own are exported as, and how large an export may be."""

    document: Literal["docx", "markdown", "pdf", "txt", "html", "odt", "rtf", "epub", "skip"] = Field(
        "docx", description="Google Docs. `skip` leaves them out, with that reason; so for the others."
    )
    spreadsheet: Literal["xlsx", "ods", "pdf", "skip"] = Field(
        "xlsx", description="Google Sheets. CSV is not among them: it would be the first sheet alone."
    )
    presentation: Literal["pptx", "odp", "pdf", "txt", "skip"] = Field("pptx", description="Google Slides.")
    drawing: Literal["pdf", "svg", "png", "jpg", "skip"] = Field("pdf", description="Google Drawings. In a PDF, their text is text.")
    script: Literal["json", "skip"] = Field("json", description="Apps Script projects.")
    video: Literal["mp4", "skip"] = Field("skip", description="Google Vids.")
    max_bytes: int = Field(
        512 * 1024**2, gt=0, description="Bytes of one export; a larger one fails. How large it will be, nobody knows before."
    )
    time_limit: Duration = Field(
        timedelta(minutes=15),
        description="How long Drive may take to prepare an export of more than 10 MB, before it is tried again later.",
    )


def format_of(mime_type: str, settings: ExportSettings) -> Format | str:
    """The format in which a document of this type is exported, or the reason why it is skipped.

    Args:
        mime_type: One that begins with `NATIVE`, and is no folder and no shortcut.
    """
    setting = setting_of(mime_type)
    if setting is None:
        return NO_EXPORT
    chosen = getattr(settings, setting)
    return EXPORT_OFF if chosen == "skip" else _FORMATS[chosen]


def setting_of(mime_type: str) -> str | None:
    """Name of the setting that decides about documents of this type, or None where nothing can be exported of them."""
    return _SETTINGS.get(mime_type.removeprefix(NATIVE))


_SETTINGS: Final[Mapping[str, str]] = {
    "document": "document",
    "spreadsheet": "spreadsheet",
    "presentation": "presentation",
    "drawing": "drawing",
    "script": "script",
    "vid": "video",
}
_FORMATS: Final[Mapping[str, Format]] = {
    "docx": Format(_OFFICE + "wordprocessingml.document", ".docx"),
    "xlsx": Format(_OFFICE + "spreadsheetml.sheet", ".xlsx"),
    "pptx": Format(_OFFICE + "presentationml.presentation", ".pptx"),
    "odt": Format(_OPEN + "text", ".odt"),
    "ods": Format(_OPEN + "spreadsheet", ".ods"),
    "odp": Format(_OPEN + "presentation", ".odp"),
    "markdown": Format("text/markdown", ".md"),
    "pdf": Format("application/pdf", ".pdf"),
    "txt": Format("text/plain", ".txt"),
    "html": Format("text/html", ".html"),
    "rtf": Format("application/rtf", ".rtf"),
    "epub": Format("application/epub+zip", ".epub"),
    "svg": Format("image/svg+xml", ".svg"),
    "png": Format("image/png", ".png"),
    "jpg": Format("image/jpeg", ".jpg"),
    "json": Format("application/vnd.google-apps.script+json", ".json"),
    "mp4": Format("application/mp4", ".mp4"),
}
