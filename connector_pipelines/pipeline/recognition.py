"""How is text in pictures recognised for an endpoint, and by what?"""

from __future__ import annotations

from connector_pipelines.core.config import OcrSettings
from connector_pipelines.core.types import Ocr
from connector_pipelines.settings import Settings

__all__ = ["ocr_of", "ocr_version"]


def ocr_of(configured: OcrSettings, settings: Settings) -> Ocr:
    """What an extractor is told."""
    return Ocr(
        is_on=configured.mode != "off",
        languages=configured.languages,
        data_folder=configured.data_folder or settings.language_data,
        resolution_dpi=configured.resolution_dpi,
        max_pages=configured.max_pages,
        page_time_s=configured.page_time_limit.total_seconds(),
        time_s=configured.time_limit.total_seconds(),
    )


def ocr_version(settings: Settings) -> str:
    """What recognises text where nothing else is configured; ``none`` where nothing does. A new one makes documents stale."""
    from connector_pipelines.extractors._ocr import engine_version, why_off

    return "none" if why_off(ocr_of(OcrSettings(), settings)) else engine_version()
