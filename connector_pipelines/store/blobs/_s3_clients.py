"""How we speak to an S3: the two clients with their limits, and their errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, NotFound, Unavailable
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.outbound import obstore_options, urllib3_pool

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["S3Settings", "minio_client", "object_client", "s3_faults"]

_CONNECT_TIMEOUT_S = 5
_TIMEOUT_S = 60
_SHORT_ANSWER_S = 15
# Of reading one object, whose size has no limit; silence on the way is cut after _TIMEOUT_S.
_READING_TIMEOUT = timedelta(hours=6)
_RETRIES = 3
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """Where an S3 is, and who we are to it.

    Attributes:
        endpoint: ``host:port``, without a scheme.
        bucket: Made if it is not there.
        secure: https rather than http.
        region: MinIO takes any.
        outbound: Proxies and authorities on the way there.
    """

    endpoint: str
    access_key: SecretStr
    secret_key: SecretStr
    bucket: str
    secure: bool = True
    region: str = "us-east-1"
    outbound: Outbound = field(default_factory=Outbound)

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.endpoint}"


def minio_client(account: S3Settings) -> Any:
    """For buckets and links. `Any`: the minio package has no types that hold."""
    import urllib3
    from minio import Minio

    # Its own pool waits five minutes and tries five times. What is asked here has short answers: one that says nothing is away.
    pool = urllib3_pool(
        account.outbound,
        account.url,
        timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=_SHORT_ANSWER_S),
        retries=urllib3.Retry(total=_RETRIES, read=1, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )
    try:
        return Minio(
            account.endpoint, access_key=account.access_key.get_secret_value(), secret_key=account.secret_key.get_secret_value(),
            secure=account.secure, region=account.region, http_client=pool,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigurationError(
            f"MINIO_ENDPOINT {account.endpoint!r} is not an address: {error}", advice="write it like host:9000"
        ) from error


def object_client(account: S3Settings, *, reading: bool) -> S3Store:
    """For bytes. One for `reading` lets an answer take as long as bytes keep coming."""
    from obstore.store import S3Store

    keys = {
        "access_key_id": account.access_key.get_secret_value(),
        "secret_access_key": account.secret_key.get_secret_value(),
        "expires_at": None,
    }
    return S3Store(
        account.bucket,
        endpoint=account.url,
        region=account.region,
        # Not as plain arguments: beside those, obstore would take a session token from AWS_SESSION_TOKEN.
        credential_provider=lambda: keys,  # type: ignore[arg-type]  # a TypedDict, spelt as a dict
        skip_signature=False,
        virtual_hosted_style_request=False,
        # Over TLS nobody alters the body on its way, so it need not be hashed once more for the signature.
        unsigned_payload=account.secure,
        client_options={
            "connect_timeout": timedelta(seconds=_CONNECT_TIMEOUT_S),
            "read_timeout": timedelta(seconds=_TIMEOUT_S),
            "timeout": _READING_TIMEOUT if reading else timedelta(seconds=_TIMEOUT_S),
            "allow_http": not account.secure,
            **obstore_options(account.outbound, account.url),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_TIMEOUT_S),
            "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
        },
    )


@contextmanager
def s3_faults(place: str, key: str = "") -> Iterator[None]:
    """Tell an error of either client, met at `place`, as one of ours; `key` is what was asked for, if anything was."""
    import urllib3
    from minio.error import MinioException
    from obstore import exceptions

    try:
        yield
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise _refused(place, error) from None
    # obstore raises the built-in class for an object, its own for the rest.
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        if key and "NoSuchBucket" not in str(error):
            raise NotFound(f"{key} is not in {place}") from None
        raise _unavailable(place, error) from None
    except MinioException as error:
        refused = getattr(error, "code", "") in _REFUSED
        raise (_refused(place, error) if refused else _unavailable(place, error)) from None
    except (exceptions.BaseError, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unavailable(place, error) from None


def _refused(place: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the object store {place} refuses us: {_said(error)}",
        advice="check MINIO_ACCESS_KEY and MINIO_SECRET_KEY, what they may do in the bucket, and this machine's clock",
    )


def _unavailable(place: str, error: Exception) -> Unavailable:
    return Unavailable(f"the object store {place} did not answer as it should: {_said(error)}", advice="see that it runs at MINIO_ENDPOINT")


def _said(error: Exception) -> str:
    """S3's code for it and the first line, without the query of any URL: it may be a signature, so the cause is dropped too."""
    if "Connection refused" in str(error):
        return "connection refused"
    code = re.search(r"<Code>(\w+)</Code>", str(error))
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return (f"{code[1]}: " if code else "") + re.sub(r"\?[^\s'\"]*", "?…", line)[:300]
