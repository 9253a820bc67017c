"""What does a Word or PowerPoint file from before 2007 say?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from connector_pipelines.core.types import Finding, InputFile
from connector_pipelines.extractors._cfb import CompoundFile
from connector_pipelines.extractors._doc import read_doc
from connector_pipelines.extractors._ppt import read_ppt
from connector_pipelines.extractors._summary import read_summary

__all__ = ["Extractor"]

_DOC = "application/msword"


class Extractor:
    """Documents as a whole, their notes and headers apart; presentations by slide."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {_DOC: (".doc", ".dot"), "application/vnd.ms-powerpoint": (".ppt", ".pps", ".pot")}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


def _extract(file: InputFile) -> Iterator[Finding]:
    with file.path.open("rb") as stream:
        compound = CompoundFile(stream)
        yield from (read_doc if file.media_type == _DOC else read_ppt)(compound)
        yield read_summary(compound)
