"""One request to a bucket: signed, sent, retried while that may help, and its refusal told as one of our errors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import urllib3

from connector_pipelines.core.errors import TransientError
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.outbound import HostPool
from connector_pipelines.sources.s3.config import Config
from connector_pipelines.sources.s3.credentials import Headers, Wallet, amz_date
from connector_pipelines.sources.s3.faults import Refusal, fault, unreachable
from connector_pipelines.sources.s3.listing import Page, page_of

__all__ = ["Answer", "Client"]

Answer = urllib3.BaseHTTPResponse

T = TypeVar("T")

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=60)
_PAUSES_S: Final = (0.2, 0.8, 3.2)
# Whoever asks for a longer pause is asked again by the next sync.
_LONGEST_PAUSE_S: Final = 10.0
_CONNECTIONS: Final = 32
_ERROR_BYTES: Final = 64 * 1024
# Only reading: there is no body, so its hash would be that of nothing.
_NO_BODY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Client:
    """Speaks to one bucket. `sleep` takes seconds."""

    def __init__(self, config: Config, wallet: Wallet, sleep: Callable[[float], None], outbound: Outbound) -> None:
        self._config, self._wallet, self._sleep, self._outbound = config, wallet, sleep, outbound
        self._base = _base(config)

    @property
    def host(self) -> str:
        return self._base.netloc

    def page(self, *, prefix: str, size: int, token: str | None = None, delimiter: str = "") -> Page:
        """At most `size` keys of the bucket that begin with `prefix`, after those of the page that gave `token`."""
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, "max-keys": str(size)}
        query |= {"continuation-token": token} if token is not None else {}
        query |= {"delimiter": delimiter} if delimiter else {}
        # Without it, a restored object still looks archived.
        headers = {"x-amz-optional-object-attributes": "RestoreStatus"}
        return self._retried(lambda: page_of(self._sent("GET", None, query, headers).data))

    def head(self, key: str) -> Answer:
        return self._retried(lambda: self._sent("HEAD", key, {}, {}))

    def get(self, key: str, *, headers: Mapping[str, str] | None = None, version_id: str | None = None) -> Answer:
        """The answer with its body still to come; whoever asked for it closes it."""
        query = {"versionId": version_id} if version_id is not None else {}
        return self._retried(lambda: self._sent("GET", key, query, headers or {}, is_streamed=True))

    def url(self, key: str) -> str:
        """Of the object itself, not signed."""
        return self._base._replace(path=self._path(key)).geturl()

    def close(self) -> None:
        self._pool.close()

    def _retried(self, ask: Callable[[], T]) -> T:
        for pause_s in _PAUSES_S:
            try:
                return ask()
            except TransientError as error:
                asked_s = error.retry_after_s or 0.0
                if asked_s > _LONGEST_PAUSE_S:
                    raise
                # Spread, or all threads that were turned away come back at once.
                self._sleep(max(asked_s, pause_s * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
        return ask()

    def _sent(
        self, method: str, key: str | None, query: Mapping[str, str], headers: Mapping[str, str], *, is_streamed: bool = False
    ) -> Answer:
        url = self._base._replace(path=self._path(key), query=urlencode(sorted(query.items()), quote_via=quote, safe=""))
        signed = self._signed(method, url, headers)
        target = f"{url.path}?{url.query}" if url.query else url.path
        with self._reached():
            # By a pool of one host: that of many would resolve the dots in a key such as a/../b.
            answer: Answer = self._pool.urlopen(
                method, target, headers=signed, redirect=False, retries=False, timeout=_TIMEOUT, preload_content=not is_streamed
            )
        if answer.status in {200, 206}:
            return answer
        raise fault(self._refusal(answer, is_streamed=is_streamed), self._config.bucket, self._config.region, key)

    def _signed(self, method: str, url: SplitResult, headers: Mapping[str, str]) -> Headers:
        from minio.signer import sign_v4_s3

        keys = self._wallet.keys()
        if keys is None:
            return dict(headers)
        now = datetime.now(UTC)
        signed: Headers = {**headers, "Host": url.netloc, "x-amz-date": amz_date(now), "x-amz-content-sha256": _NO_BODY}
        if keys.session_token:
            signed["x-amz-security-token"] = keys.session_token
        region = self._config.region
        sign_v4_s3(method=method, url=url, region=region, headers=signed, credentials=keys, content_sha256=_NO_BODY, date=now)
        return signed

    def _refusal(self, answer: Answer, *, is_streamed: bool) -> Refusal:
        from lxml import etree

        body = b""
        if is_streamed:
            with suppress(urllib3.exceptions.HTTPError, OSError):
                body = answer.read(_ERROR_BYTES)
            answer.close()
        else:
            body = answer.data[:_ERROR_BYTES]
        said: dict[str, str] = {}
        with suppress(etree.XMLSyntaxError):
            for child in etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True)):
                said[str(child.tag).rpartition("}")[2]] = child.text or ""
        after = answer.headers.get("Retry-After", "")
        return Refusal(
            answer.status,
            code=said.get("Code", ""),
            message=said.get("Message", ""),
            region=said.get("Region") or answer.headers.get("x-amz-bucket-region", ""),
            retry_after_s=float(after) if after.isdecimal() else None,
        )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(error, self.host) from None

    def _path(self, key: str | None) -> str:
        bucket = f"/{self._config.bucket}" if self._config.in_path else ""
        # The path that is signed is the key with each byte encoded but for these and the slash, and never resolved.
        return f"{self._base.path}{bucket}{'' if key is None else '/' + quote(key, safe='/-_.~')}" or "/"

    @cached_property
    def _pool(self) -> HostPool:
        return HostPool(self._outbound, self._base.geturl(), connections=_CONNECTIONS)


def _base(config: Config) -> SplitResult:
    region = config.region
    address = config.endpoint or f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    url = urlsplit(address)
    # As it is sent and signed: without the port that goes without saying.
    host = url.netloc.removesuffix(":443" if url.scheme == "https" else ":80")
    return url._replace(netloc=host if config.in_path else f"{config.bucket}.{host}")
