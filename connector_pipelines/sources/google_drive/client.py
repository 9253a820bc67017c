"""Calls Drive v3 as one user: Google's own client writes the requests and reads the answers, the house's HTTP carries them.

google-api-python-client is used as it is, from the discovery document that it ships; its `http` is an adapter onto `Tools.http`, so
sign-in, limits, pauses, retries, proxies and counting are the house's, and its own retries stay off. A process that does not use
Drive pays nothing; one that does pays 0.16 s of CPU and 32 MB for the import, 1.5 ms for each collection (`files()`, `changes()`:
kept), and 0.02 ms for each request that is written (2026-11, one core).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Malformed
from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.protocols import Tools
from connector_pipelines.sources.google_drive.batching import Ask, Batch, Heard, Json
from connector_pipelines.sources.google_drive.faults import Refiner

__all__ = ["GOOGLE_URL", "Ask", "Drive", "Drives", "Json", "buckets_of", "key_headers", "read_json"]

GOOGLE_URL: Final = "https://www.googleapis.com/"
"""Where Drive is, but for a fake and for the private access points of Google Cloud."""

_API: Final = "drive/v3/"
# To get answers compressed, the agent has to say gzip too: https://developers.google.com/workspace/drive/api/guides/performance
_AGENT: Final = "connector-pipelines (gzip)"
# The house writes these itself.
_OURS: Final = frozenset({"user-agent", "accept-encoding", "content-length"})
# Each keeps connections: those of thousands of users would be more than a process may have.
_USERS_KEPT: Final = 100
# Google's, where links to bytes may lead (`downloadUri`, `exportLinks`); it sends on to other hosts by addresses that are signed.
_HOSTS: Final = ("www.googleapis.com", "content.googleapis.com", "docs.google.com", "drive.google.com", "drive.usercontent.google.com")


class Drive:
    """Drive as one user sees it. Used by several threads at once.

    Attributes:
        user: Whom we act as; None for whoever the sign-in is.
        http: For bytes. Relative addresses lie below ``drive/v3/``.
        stop: Set when the run is to end.
    """

    def __init__(self, http: Http, root_url: str, *, user: str | None, refine: Refiner, stop: threading.Event) -> None:
        self.user, self.http, self.stop = user, http, stop
        self._root_url, self._refine = root_url, refine

    def call(
        self, method: str, /, *, resource_keys: Mapping[str, str] | None = None, idempotent: bool | None = None, **params: Any
    ) -> Json:
        """The answer of a method: ``drive.call("files.get", fileId=file_id, fields="id,name")``.

        Args:
            idempotent: Whether it may be tried again; None: as its HTTP method says.

        Raises:
            ConnectorError: As `Http.request`, told apart by what Google says (`faults.Refiner`).
        """
        request = self.request(Ask(method, params, resource_keys or {}))
        answer: Json = request.execute(http=_Wire(self.http, idempotent))
        return answer

    def batch(self, asks: Sequence[Ask]) -> list[Json | ConnectorError]:
        """The answer to each, in their order, or the error that it met. Only of methods that change nothing.

        Raises:
            ConnectorError: A batch was refused as a whole, or what every call would meet (`ConfigurationError`, `Unauthenticated`).
        """
        return Batch(self._refine, self.stop, self.http, self._sent_together, self._sent_alone).answers(asks)

    def request(self, ask: Ask) -> Any:
        """A request of Google's client, not sent yet."""
        request = _methods(self._root_url).named(ask.method)(**ask.params)
        request.headers.update(key_headers(ask.resource_keys))
        return request

    def close(self) -> None:
        self.http.close()

    def _sent_together(self, asks: Sequence[Ask], heard: Heard) -> None:
        batch = _methods(self._root_url).batch(heard)
        for at, ask in enumerate(asks):
            batch.add(self.request(ask), request_id=str(at))
        batch.execute(http=_Wire(self.http, idempotent=True))

    def _sent_alone(self, ask: Ask) -> Json:
        return self.call(ask.method, resource_keys=ask.resource_keys, **ask.params)


class Drives:
    """A `Drive` for each user, opened on first use. Used by several threads at once.

    Args:
        api_url: Where Google's APIs are, as `GOOGLE_URL`.
        allow_private: Whether that may be an address of a private network or of this machine.
        max_connections: At once, for each user.
    """

    def __init__(self, tools: Tools, *, api_url: str = GOOGLE_URL, allow_private: bool = False, max_connections: int = 64) -> None:
        self._tools, self._allow_private, self._max_connections = tools, allow_private, max_connections
        self._root_url = api_url.rstrip("/") + "/"
        self._opened: OrderedDict[str | None, Drive] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, user: str | None) -> Drive:
        """Drive as `user` sees it, an address; None for whoever the sign-in is."""
        with self._lock:
            drive = self._opened.get(user)
            if drive is None:
                drive = self._opened[user] = self._open(user)
            self._opened.move_to_end(user)
            longest_unused = self._opened.popitem(last=False)[1] if len(self._opened) > _USERS_KEPT else None
        if longest_unused is not None:
            # Whoever still has it may go on: it works, and keeps no connections any more.
            longest_unused.close()
        return drive

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, OrderedDict()
        for drive in opened.values():
            drive.close()

    def _open(self, user: str | None) -> Drive:
        buckets = buckets_of(self._tools.application, user)
        refine = Refiner(project_bucket=buckets[0] if buckets else None, user=user)
        options = HttpOptions(
            base_url=self._root_url + _API,
            subject=user,
            buckets=buckets,
            hosts=_HOSTS if str(urlsplit(self._root_url).hostname).endswith(".googleapis.com") else (),
            headers={"user-agent": _AGENT},
            max_connections=self._max_connections,
            allow_private=self._allow_private,
            refine=refine,
        )
        return Drive(self._tools.http(options), self._root_url, user=user, refine=refine, stop=self._tools.stop)


def buckets_of(project: str, user: str | None) -> tuple[str, ...]:
    """Whose limits count: those of the project of Google's console that our application is of, and of the user in it."""
    if not project:
        return ()
    # Whoever signed in by hand is not known before asking: theirs is the connector's own bucket.
    return (f"google_drive/{project}", f"google_drive/{project}/{user}" if user else "")


def key_headers(resource_keys: Mapping[str, str]) -> dict[str, str]:
    """The header that shows them; none where there are none."""
    shown = ",".join(f"{file_id}/{key}" for file_id, key in resource_keys.items())
    return {"x-goog-drive-resource-keys": shown} if shown else {}


class _Wire:
    """The `http` of Google's client, over the house's.

    `idempotent`: of the request; None for as its method says.
    """

    def __init__(self, http: Http, idempotent: bool | None) -> None:
        self._http, self._idempotent = http, idempotent

    def request(
        self, uri: str, method: str = "GET", body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Any, bytes]:
        from httplib2 import Response

        sent = {name: value for name, value in (headers or {}).items() if name not in _OURS}
        # Of more than 2048 characters, a GET is sent as a POST that says so.
        is_read = sent.get("x-http-method-override") == "GET"
        answer = self._http.request(
            method,
            uri,
            headers=sent,
            content=body.encode() if isinstance(body, str) else body,
            idempotent=True if is_read else self._idempotent,
        )
        return Response({**answer.headers, "status": str(answer.status)}), answer.content

    def close(self) -> None:
        """The house's is closed by its owner."""


class _Methods:
    """The methods of Drive at one address, by name. Making a collection of them takes 1.5 ms, so they are kept."""

    def __init__(self, root_url: str) -> None:
        self._service = _service(root_url)
        self._collections: dict[str, Any] = {}

    def named(self, name: str) -> Callable[..., Any]:
        collection, _, method = name.partition(".")
        # Two threads may both make one; they are alike.
        found = self._collections.get(collection)
        if found is None:
            found = self._collections[collection] = getattr(self._service, collection)()
        act: Callable[..., Any] = getattr(found, method)
        return act

    def batch(self, heard: Heard) -> Any:
        return self._service.new_batch_http_request(callback=heard)


@cache
def _methods(root_url: str) -> _Methods:
    return _Methods(root_url)


def _service(root_url: str) -> Any:
    import json

    try:
        from googleapiclient import discovery_cache
        from googleapiclient.discovery import build_from_document
    except ImportError as error:
        raise ConfigurationError(
            "the source google_drive needs google-api-python-client, which is not installed",
            advice="pip install 'connector-pipelines[google]'",
        ) from error
    document = json.loads(discovery_cache.get_static_doc("drive", "v3"))
    return build_from_document(
        # Batches go to the address in the document, whatever `api_endpoint` says.
        {**document, "rootUrl": root_url},
        http=_Nowhere(),
        model=_model(),
        # Named, so that the environment (GOOGLE_CLOUD_UNIVERSE_DOMAIN) has no say.
        client_options={"api_endpoint": root_url + _API, "universe_domain": "googleapis.com"},
    )


class _Nowhere:
    """Stands where the library wants an `http`: each request is sent by that of its user."""

    def request(self, *_args: object, **_kwargs: object) -> None:
        raise AssertionError("a request without a user")

    def close(self) -> None:
        pass


def _model() -> Any:
    """Google's model, but that what is no JSON object is a fault: theirs hands it on as text."""
    from googleapiclient.model import JsonModel

    class Model(JsonModel):  # type: ignore[misc]  # the library has no types
        def deserialize(self, content: bytes) -> Json:
            return read_json(content) if content else {}

    return Model(data_wrapper=False)


def read_json(content: bytes) -> Json:
    """An answer's body.

    Raises:
        Malformed: It is no JSON object.
    """
    import msgspec

    for text in (bytes, _mended):
        try:
            found: Json = msgspec.json.decode(text(content), type=dict[str, Any])
        except (ValueError, RecursionError):  # msgspec's are ValueErrors
            continue
        return found
    # Out here: the error of a parser carries the body.
    raise Malformed(
        f"Drive answered with {len(content)} bytes that are no JSON object",
        advice="check `api_url` and the proxy: sign-in pages answer in HTML",
    )


def _mended(content: bytes) -> bytes:
    """Half a surrogate pair in one name shall not hide the other files of its page."""
    import json

    return json.dumps(json.loads(content.decode(errors="replace")), ensure_ascii=False).encode(errors="replace")
