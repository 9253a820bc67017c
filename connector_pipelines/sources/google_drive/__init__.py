"""Files of Google Drive: of My Drives, folders, shared drives, and of what is shared with us.

One enumeration of folders and one of files names a drive; from then on its change feed says what to look at again. A feed names an
item that moved, was renamed, trashed or shared, and nothing of what lies below: the folders are kept by the catalog, and this source
works out from them what a change of one of them means.

Google's own client writes the requests and reads the answers; the house's HTTP carries them, with its sign-in, limits and retries.
"""

from __future__ import annotations

from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.source import Source

__all__ = ["Config", "Source"]
