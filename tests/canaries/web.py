"""What the Dagster webserver answers: to whoever launches runs there, and looks at all that is shown of them."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

from connector_pipelines.cli.starting import default_dagster_yaml
from tests.canaries.commands import Commands, free_port, heard, until

__all__ = ["Web", "browse"]

_VALUES = """
fragment Values on MetadataEntry {
    label description
    ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } ... on JsonMetadataEntry { jsonString } ... on UrlMetadataEntry { url }
    ... on PathMetadataEntry { path } ... on IntMetadataEntry { intRepr } ... on TableMetadataEntry { table { records } } }
"""
_LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message stack } ... on RunConfigValidationInvalid { errors { message } } } }"""
_STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_RUN = """query ($id: ID!) { runOrError(runId: $id) { __typename ... on Run {
    status runConfigYaml runConfig tags { key value } executionPlan { steps { key metadata { key value } } }
    eventConnection(limit: 1000) { events { __typename
        ... on MessageEvent { message stepKey level }
        ... on DisplayableEvent { label description metadataEntries { ...Values } }
        ... on ErrorEvent { error { message stack className errorChain { error { message stack } } } }
        ... on LogsCapturedEvent { fileKey externalUrl } } } } } }"""
_LOGS = "query ($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"
_EVERYTHING = """{ version instance { id info hasInfo } permissions { permission disabledReason }
    runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } } } }
    workspaceOrError { ... on Workspace { locationEntries { name displayMetadata { key value } locationOrLoadError { __typename
        ... on RepositoryLocation { name repositories { name
            sensors { name description metadata { assetKeys { path } } } schedules { name description }
            jobs { name description tags { key value } }
            allTopLevelResourceDetails { name description configFields { name description isRequired defaultValueAsJson }
                configuredValues { key value type } } } }
        ... on PythonError { message stack } } } } }
    assetNodes { assetKey { path } description groupName metadataEntries { ...Values } tags { key value } configField { defaultValueAsJson }
        opVersion }
    assetsOrError { ... on AssetConnection { nodes { key { path }
        assetMaterializations(limit: 5) { message metadataEntries { ...Values } tags { key value } }
        assetObservations(limit: 5) { message metadataEntries { ...Values } } } } } }"""


@dataclass(slots=True)
class Web:
    """`answers` by what was asked; `statuses` of the runs, by their endpoints."""

    said: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)


def browse(commands: Commands, *selections: Sequence[str]) -> Web:
    """Launch a run for each selection of endpoints, and look at everything."""
    home = commands.world.folder / "dagster_home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(_without_queue(default_dagster_yaml()))
    web, port = Web(), free_port()
    words = (sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-m", "connector_pipelines.definitions")
    with commands.running(words, {}) as (child, out):
        until(lambda: _asked(port, "{ version }"), "the webserver")
        for slugs in selections:
            _launch(web, port, slugs)
        web.answers["everything"] = _text(port, _EVERYTHING + _VALUES)
        child.terminate()
        web.said = heard(child, out)
    return web


def _without_queue(text: str) -> str:
    """Runs begin at once: there is no daemon here that would take them out of a queue."""
    shipped = YAML(typ="safe").load(text)
    kept = {name: value for name, value in shipped.items() if name not in {"run_queue", "concurrency"}}
    return json.dumps(kept | {"run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}})


def _launch(web: Web, port: int, slugs: Sequence[str]) -> None:
    selector = {
        "repositoryName": "__repository__", "repositoryLocationName": "connector_pipelines.definitions", "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": ["google_drive" if slug.startswith("drive_") else "rest_api", slug, "sync"]} for slug in slugs],
    }  # fmt: skip
    launched = _asked(port, _LAUNCH, params={"selector": selector, "mode": "default", "runConfigData": "{}"})
    name = " ".join(slugs)
    assert launched["data"]["launchRun"]["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["data"]["launchRun"]["run"]["runId"]
    over = {"SUCCESS", "FAILURE", "CANCELED"}
    web.statuses[name] = until(
        lambda: (s := _asked(port, _STATUS, id=run_id)["data"]["runOrError"]["status"]) in over and s, f"the end of {name}"
    )
    web.answers[f"run of {name}"] = shown = _text(port, _RUN + _VALUES, id=run_id)
    keys = [event["fileKey"] for event in json.loads(shown)["data"]["runOrError"]["eventConnection"]["events"] if event.get("fileKey")]
    for key in keys:
        web.answers[f"logs of {name}"] = _text(port, _LOGS, key=[run_id, "compute_logs", key])


def _text(port: int, query: str, **variables: object) -> str:
    found = _asked(port, query, **variables)
    assert "errors" not in found, found["errors"]
    return json.dumps(found, ensure_ascii=False)


def _asked(port: int, query: str, **variables: object) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        # A query with a mistake.
        return json.load(error)
    except OSError:
        return None
