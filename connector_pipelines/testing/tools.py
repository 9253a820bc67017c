"""What a connector under test is lent, with a secret that must not be seen anywhere."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from pydantic import SecretStr

from connector_pipelines.core.protocols import Folders, Tools
from connector_pipelines.net.http import open_http

__all__ = ["PLANTED_SECRET", "plain_tools"]

PLANTED_SECRET = "planted-secret-7f3a"  # noqa: S105 - not a secret, but what stands in for one


def plain_tools(database_url: str | None = None, *, folders: Folders | None = None) -> Tools:
    """Tools whose every secret is `PLANTED_SECRET`; the suites look for it where it must not be.

    Args:
        database_url: Of a Postgres for the sinks that need one; by default one that does not answer.
        folders: What was recorded of the source's pages (`testing.folders.Recorded`); by default, nothing ever is.
    """
    url = database_url or f"postgresql://nobody:{PLANTED_SECRET}@127.0.0.1:1/none"
    tools = Tools(secret=lambda _reference: SecretStr(PLANTED_SECRET), database_url=SecretStr(url), http=partial(open_http, name="test"))
    return tools if folders is None else replace(tools, folders=folders)
