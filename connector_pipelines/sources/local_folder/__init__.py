"""A folder on this machine, or on a network drive mounted here.

A folder has no change feed: every call of `changes` walks it. The walk takes its memory from the largest single
folder, not from the tree. What the file system cannot interrupt (a network drive mounted `hard` whose server is
gone) nothing here can either: mount such drives `soft`.
"""

from __future__ import annotations

from connector_pipelines.sources.local_folder.config import Config
from connector_pipelines.sources.local_folder.source import Source

__all__ = ["Config", "Source"]
