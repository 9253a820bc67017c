"""Qdrant's REST interface over an engine, and what may go wrong on the way."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError
from qdrant_client import models

from tests.qdrant_server.engines import Engine

_MOST_BYTES = 32 * 1024 * 1024  # service.max_request_size_mb, unless told otherwise
_COLLECTION = re.compile(r"/collections/([^/]+)(/.*)?")
_READS = re.compile(r"/(points|scroll|query|count|facet)$")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes
    query: dict[str, list[str]]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """`cut` ends the connection without a word; `late` does so after the server has done what it was asked."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    late: bool = False


class Refused(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Collection:
    def __init__(self, made: models.CreateCollection, engine: type[Engine]) -> None:
        vectors = made.vectors if isinstance(made.vectors, dict) else {}
        self.vectors = {name: p for name, p in vectors.items() if isinstance(p, models.VectorParams)}
        self.metadata = dict(made.metadata or {})
        self.indexes: dict[str, str] = {}
        self.engine = engine(self.vectors)
        # What a shard's log does: one write at a time, in one order.
        self.lock = threading.Lock()


class QdrantServer:
    """Listens on loopback.

    Attributes:
        hook: Asked before each request; what it gives is answered instead. `late` answers come after the work.
        seen: Lines of all requests, in order.
    """

    def __init__(self, engine: type[Engine], *, key: str = "", read_only_key: str = "", version: str = "1.20.0") -> None:
        self.collections: dict[str, Collection] = {}
        self.aliases: dict[str, str] = {}
        self.hook: Callable[[Request], Answer | None] = lambda _: None
        self.seen: list[str] = []
        self.version = version
        self._engine = engine
        self._keys = {key: True, read_only_key: False} if key else {}
        self._lock = threading.RLock()
        self._http = _Listener(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def collection(self, name: str) -> Collection:
        with self._lock:
            found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def drop(self, *names: str) -> bool:
        """Remove the collections and the aliases that lead to them; whether there was one."""
        with self._lock:
            gone = [name for name in names if name in self.collections]
            self.aliases = {alias: to for alias, to in self.aliases.items() if to not in gone}
            for name in gone:
                dropped = self.collections.pop(name)
                with dropped.lock:
                    dropped.engine.close()
        return bool(gone)

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for one in self.collections.values():
            one.engine.close()

    def answer(self, request: Request, key: str) -> Answer:
        self.seen.append(request.line)
        given = self.hook(request)
        if given is not None and not given.late:
            return given
        answer = self._answer(request, key)
        return answer if given is None else given

    def _answer(self, request: Request, key: str) -> Answer:
        if request.path == "/":
            return Answer(body=json.dumps({"title": "qdrant - vector search engine", "version": self.version}).encode())
        try:
            self._let_in(request, key)
            return Answer(body=json.dumps({"result": self._work(request), "status": "ok", "time": 0.0}).encode())
        except Refused as error:
            return Answer(error.status, json.dumps({"status": {"error": str(error)}, "time": 0.0}).encode())
        except (ValidationError, ValueError) as error:
            return Answer(400, json.dumps({"status": {"error": f"Format error in JSON body: {error}"}, "time": 0.0}).encode())

    def _let_in(self, request: Request, key: str) -> None:
        if len(request.body) > _MOST_BYTES:
            raise Refused(413, "Payload too large")
        if self._keys and key not in self._keys:
            raise Refused(401, "Must provide an API key or an Authorization bearer token")
        reads = request.method == "GET" or (request.method == "POST" and _READS.search(request.path))
        if self._keys and not self._keys.get(key, True) and not reads:
            raise Refused(403, "Forbidden: Global manage access is required")

    def _work(self, request: Request) -> object:
        named = _COLLECTION.fullmatch(request.path)
        if request.line == "GET /collections":
            return {"collections": [{"name": name} for name in self.collections]}
        if request.line == "POST /collections/aliases":
            return self._alias(models.ChangeAliasesOperation.model_validate_json(request.body))
        if named is None:
            raise Refused(404, "")
        if not named[2]:
            return self._manage(request, named[1])
        return _points(request.method + named[2], self.collection(named[1]), request.body)

    def _manage(self, request: Request, name: str) -> object:
        with self._lock:
            if request.method == "PUT":
                if name in self.collections or name in self.aliases:
                    raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
                self.collections[name] = Collection(models.CreateCollection.model_validate_json(request.body), self._engine)
                return True
            if request.method == "PATCH":
                self.collection(name).metadata |= models.UpdateCollection.model_validate_json(request.body).metadata or {}
                return True
            if request.method == "DELETE":
                return self.drop(name)
            return _info(self.collection(name))

    def _alias(self, change: models.ChangeAliasesOperation) -> bool:
        with self._lock:
            aliases = dict(self.aliases)
            for action in change.actions:
                if isinstance(action, models.DeleteAliasOperation):
                    if aliases.pop(action.delete_alias.alias_name, None) is None:
                        raise Refused(404, "Not found: Alias does not exist")
                elif isinstance(action, models.CreateAliasOperation):
                    if action.create_alias.collection_name not in self.collections:
                        raise Refused(404, "Not found: Collection doesn't exist!")
                    if action.create_alias.alias_name in self.collections:
                        raise Refused(409, "Wrong input: Collection with the same name already exists")
                    aliases[action.create_alias.alias_name] = action.create_alias.collection_name
            self.aliases = aliases
        return True


@contextmanager
def serving(engine: type[Engine], **given: Any) -> Iterator[QdrantServer]:
    server = QdrantServer(engine, **given)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _points(line: str, at: Collection, body: bytes) -> object:
    with at.lock:
        if line == "PUT/index":
            return _index(at, models.CreateFieldIndex.model_validate_json(body))
        if line == "PUT/points":
            return _upsert(at, models.PointsList.model_validate_json(body))
        if line == "POST/points/delete":
            return _delete(at, json.loads(body))
        return _read(line, at, body)


def _read(line: str, at: Collection, body: bytes) -> object:
    if line == "POST/points":
        wanted = models.PointRequest.model_validate_json(body)
        return [{"id": i, "payload": _chosen(p, wanted.with_payload)} for i, p in at.engine.retrieve([str(i) for i in wanted.ids])]
    if line == "POST/points/scroll":
        page = models.ScrollRequest.model_validate_json(body)
        _require_indexes(at, page.filter)
        records, following = at.engine.scroll(page.filter, page.limit or 10, None if page.offset is None else str(page.offset))
        return {"points": [{"id": i, "payload": _chosen(p, page.with_payload)} for i, p in records], "next_page_offset": following}
    if line == "POST/points/query":
        return _query(at, models.QueryRequest.model_validate_json(body))
    if line == "POST/points/count":
        counted = models.CountRequest.model_validate_json(body)
        _require_indexes(at, counted.filter)
        return {"count": at.engine.count(counted.filter)}
    if line == "POST/facet":
        facet = models.FacetRequest.model_validate_json(body)
        _require_indexes(at, facet.filter)
        if facet.key not in at.indexes:
            raise Refused(400, f"Bad request: Field `{facet.key}` is not indexed")
        return {"hits": [{"value": v, "count": n} for v, n in at.engine.facet(facet.key, facet.filter, facet.limit or 10).items()]}
    raise Refused(404, "")


def _index(at: Collection, wanted: models.CreateFieldIndex) -> dict[str, Any]:
    schema = wanted.field_schema
    at.indexes[wanted.field_name] = "tenant" if isinstance(schema, models.KeywordIndexParams) else str(schema)
    at.engine.index(wanted.field_name, at.indexes[wanted.field_name])
    return _DONE


def _upsert(at: Collection, wanted: models.PointsList) -> dict[str, Any]:
    _require_indexes(at, wanted.update_filter)
    for point in wanted.points:
        for name, vector in point.vector.items() if isinstance(point.vector, dict) else ():
            if name not in at.vectors or len(vector) != at.vectors[name].size:
                raise Refused(400, f"Wrong input: Vector dimension error: {name}")
    at.engine.upsert(wanted.points, wanted.update_filter)
    return _DONE


def _delete(at: Collection, body: dict[str, Any]) -> dict[str, Any]:
    if "points" in body:
        at.engine.delete([str(i) for i in models.PointIdsList.model_validate(body).points])
    else:
        wanted = models.FilterSelector.model_validate(body).filter
        _require_indexes(at, wanted)
        at.engine.delete(wanted)
    return _DONE


def _query(at: Collection, wanted: models.QueryRequest) -> dict[str, Any]:
    _require_indexes(at, wanted.filter)
    vector = wanted.query.nearest if isinstance(wanted.query, models.NearestQuery) else wanted.query
    assert isinstance(vector, list)
    if len(vector) != at.vectors[wanted.using or ""].size:
        raise Refused(400, "Wrong input: Vector dimension error")
    found = at.engine.query(vector, wanted.using or "", wanted.filter, wanted.limit or 10)
    return {"points": [{"id": i, "version": 0, "score": s, "payload": _chosen(p, wanted.with_payload)} for i, p, s in found]}


def _chosen(payload: dict[str, Any], wanted: object) -> dict[str, Any] | None:
    if isinstance(wanted, models.PayloadSelectorInclude):
        wanted = wanted.include
    return {k: v for k, v in payload.items() if k in wanted} if isinstance(wanted, list) else payload if wanted else None


def _require_indexes(at: Collection, wanted: models.Filter | None) -> None:
    """Strict mode, as managed servers have it: what is not indexed is not to be filtered by."""
    for condition in (c for part in (wanted.must, wanted.should, wanted.must_not) for c in part or ()) if wanted else ():
        if isinstance(condition, models.Filter):
            _require_indexes(at, condition)
        elif isinstance(condition, models.FieldCondition) and condition.key not in at.indexes:
            raise Refused(400, f'Bad request: Index required but not found for "{condition.key}"')


def _info(at: Collection) -> dict[str, Any]:
    hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
    optimizer = {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0, "flush_interval_sec": 5}
    vectors = {name: {"size": p.size, "distance": p.distance} for name, p in at.vectors.items()}
    kinds = {name: {"data_type": "keyword" if kind == "tenant" else kind, "points": 0} for name, kind in at.indexes.items()}
    config = {"params": {"vectors": vectors}, "hnsw_config": hnsw, "optimizer_config": optimizer, "metadata": at.metadata}
    return {"status": "green", "optimizer_status": "ok", "segments_count": 1, "config": config, "payload_schema": kinds}


_DONE = {"operation_id": 0, "status": "completed"}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, qdrant: QdrantServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.qdrant = qdrant


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Tests have their own words."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = self.server.qdrant.answer(Request(self.command, parts.path, body, parse_qs(parts.query)), self.headers.get("api-key", ""))
        if answer.cut:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers, "content-length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    do_PUT = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - so http.server wants them
