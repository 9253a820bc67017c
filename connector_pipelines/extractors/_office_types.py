"""What are the media types of office formats? As registered, in lower case; one that ends in a dot is the beginning of several."""

from __future__ import annotations

__all__ = ["DOCX", "ODF", "OOXML", "PPTX", "XLS", "XLSB", "XLSX"]

OOXML = "application/vnd.openxmlformats-officedocument."
DOCX = f"{OOXML}wordprocessingml.document"
XLSX = f"{OOXML}spreadsheetml.sheet"
PPTX = f"{OOXML}presentationml.presentation"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
XLS = "application/vnd.ms-excel"
ODF = "application/vnd.oasis.opendocument."
