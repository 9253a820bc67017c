"""A construction cloud on this machine that answers in the public JSON shape of Autodesk's, and a Tuesday on site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from connector_pipelines.testing.fake_api import AllInOne, FakeApi, Filter, Introspected, NextUrl, Paginator, StreamShape, Tombstone
from connector_pipelines.testing.oauth_server import OAuthClient, OAuthServer

SECRET = "a-secret-for-this-example"  # noqa: S105 - of a server on this machine
HUB, PROJECT, PLANS = "b.hub-1", "b.project-1", "urn:adsk.wipprod:fs.folder:co.plans"
PAGES = NextUrl(path="links.next.href", end="absent", param="page[token]", size_param="page[limit]", size=2, max_size=200)


@contextmanager
def make(port: int, token_port: int) -> Iterator[FakeApi]:
    """The cloud and the server of its tokens, with a project in it."""
    app = OAuthClient(id="example-app", secret=SECRET)
    with OAuthServer(app, port=token_port) as tokens, FakeApi(port=port) as api:
        api.signs_in(Introspected(tokens.holder))
        api.add(
            shape("hubs", "/project/v1/hubs", paginator=AllInOne()),
            shape("projects", "/project/v1/hubs/{parent}/projects", parent="hubs"),
            shape("folders", "/project/v1/hubs/{hub}/projects/{parent}/topFolders", parent="projects", paginator=AllInOne()),
            shape(
                "contents",
                "/data/v1/projects/{project}/folders/{parent}/contents",
                parent="folders",
                created_field="attributes.createTime",
                by=Filter(since="filter[lastModifiedTime]-ge", until=None),
                tombstone=Tombstone(shown="asked", field="attributes.hidden", param="includeHidden"),
            ),
        )
        api.company.put("hubs", {"name": "Harbour Works"}, id=HUB)
        api.company.put("projects", {"name": "North quay"}, id=PROJECT, parent=HUB)
        api.company.put("folders", {"displayName": "Plans"}, id=PLANS, parent=PROJECT)
        for name in ("Sheet pile wall, section 4.dwg", "Bollard foundation.rvt", "Drainage, level 0.ifc"):
            put_item(api, name)
        yield api


def shape(name: str, path: str, *, paginator: Paginator = PAGES, by: Filter | None = None, **rest: Any) -> StreamShape:
    """A stream in JSON:API: its own fields lie in `attributes`."""
    return StreamShape(
        name=name,
        path=path,
        paginator=paginator,
        filter=by,
        envelope={"jsonapi": {"version": "1.0"}, "links": {"self": {"href": "about:blank"}}},
        constants={"type": "items" if name == "contents" else name, "links": {"webView": {"href": "https://cloud.example/view"}}},
        ids="text",
        fields_under="attributes",
        cursor_field="attributes.lastModifiedTime",
        **rest,
    )


def put_item(api: FakeApi, name: str, user: str = "Ada Abate") -> None:
    lineage = "urn:adsk.wipprod:dm.lineage:" + re.split("[,.]", name.lower())[0].replace(" ", "-")
    api.company.put("contents", {"displayName": name, "lastModifiedUserName": user}, id=lineage, parent=PLANS)


def tuesday(api: FakeApi) -> None:
    """A drawing gets a new version by somebody else, one is deleted, one is added."""
    put_item(api, "Bollard foundation.rvt", "Bram Berg")
    api.company.delete("contents", "urn:adsk.wipprod:dm.lineage:drainage")
    put_item(api, "Crane rail, berth nine.dwg", "Bram Berg")
