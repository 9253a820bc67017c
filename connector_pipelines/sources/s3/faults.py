"""Which of our errors an answer of an S3, or the lack of one, is.

Codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import urllib3

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Forbidden,
    NotFound,
    PermanentError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

__all__ = ["Refusal", "fault", "unreachable"]

_SLOW_DOWN: Final = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded"})
_PASSING: Final = frozenset({"InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "XMinioServerNotInitialized"})
_WRONG_REGION: Final = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"}
)
_NOT_US: Final[Mapping[str, str]] = {
    "InvalidAccessKeyId": "Correct the access key id: this S3 does not know it.",
    "SignatureDoesNotMatch": "Correct the secret key: it is not the one of this access key id.",
    "ExpiredToken": "Give a new session token, or credentials that renew themselves.",
    "InvalidToken": "Correct the session token: it does not belong to this key.",
    "TokenRefreshRequired": "Give a new session token.",
    "AccountProblem": "Ask AWS what is wrong with the account.",
    "NotSignedUp": "Sign the account up for S3.",
}
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "KeyTooLongError", "XMinioInvalidObjectName"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is none.

    Attributes:
        code: S3's own; empty where there was no body, as after HEAD.
        message: S3's own text. Shown only where it says nothing but who may not do what.
        region: Where the bucket is, if the answer says so.
        retry_after_s: As the answer asks, or None.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    retry_after_s: float | None = None

    def __str__(self) -> str:
        said = f"{self.code} ({self.status})" if self.code else f"status {self.status}"
        # AWS names the principal, the action and the missing policy. Other texts may repeat what was sent.
        return f"{said}: {self.message[:400]}" if self.message.startswith("User: arn:") else said


def fault(refusal: Refusal, bucket: str, region: str, key: str | None) -> ConnectorError:
    """The error it is, for `bucket` as a whole or for the object `key` in it."""
    code, status = refusal.code, refusal.status
    what = f"bucket {bucket!r}" if key is None else f"{key!r} in bucket {bucket!r}"
    if status in {429, 503} or code in _SLOW_DOWN:
        # S3 says "slow down" by 503; whether it is that or an outage, the remedy is the same.
        kind = RateLimited if status == 429 or code in _SLOW_DOWN else Unavailable
        return kind(f"{what}: the S3 answers {refusal}", retry_after_s=refusal.retry_after_s)
    if status >= 500 or status == 408 or code in _PASSING:
        return Unavailable(f"{what}: the S3 answers {refusal}", retry_after_s=refusal.retry_after_s)
    return _of_the_account(refusal, bucket, region) or (_of_the_bucket(refusal, what) if key is None else _of_the_object(refusal, what))


def unreachable(error: Exception, host: str) -> ConnectorError:
    """The error it is when no whole answer came from `host`."""
    reason = error.args[-1] if error.args else error
    if isinstance(error, urllib3.exceptions.SSLError) and isinstance(reason, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"{host} shows a certificate that is not trusted: {reason.verify_message}",
            advice="Correct `endpoint`, or let SSL_CERT_FILE name the certificates to trust.",
        )
    advice = f"See that the S3 runs and is reached at {host}; `endpoint` says where it is looked for."
    return Unavailable(f"{host} did not answer: {type(error).__name__}", advice=advice)


def _of_the_account(refusal: Refusal, bucket: str, region: str) -> ConnectorError | None:
    if refusal.code in _NOT_US:
        return Unauthenticated(f"bucket {bucket!r}: the S3 answers {refusal}", advice=_NOT_US[refusal.code])
    if refusal.code == "RequestTimeTooSkewed":
        return ConfigurationError(f"bucket {bucket!r}: the S3 answers {refusal}", advice="Set this machine's clock: it is minutes off.")
    if refusal.code in _WRONG_REGION or refusal.status in {301, 302, 307, 308}:
        there = f"Set `region` to {refusal.region}." if refusal.region else "Set `region` to the bucket's, and `endpoint` to its address."
        return ConfigurationError(f"bucket {bucket!r} is not reached in region {region}: the S3 answers {refusal}", advice=there)
    if refusal.code == "NoSuchBucket":
        return ConfigurationError(f"there is no bucket {bucket!r}", advice="Correct `bucket`, `endpoint` or `credentials`, or create it.")
    if refusal.code in {"AllAccessDisabled", "InvalidBucketName"}:
        return ConfigurationError(f"bucket {bucket!r}: the S3 answers {refusal}", advice="Correct `bucket` and `credentials`.")
    return None


def _of_the_bucket(refusal: Refusal, what: str) -> ConnectorError:
    if refusal.code == "InvalidArgument":
        # A token of the last page that is no longer good, which the next listing does without.
        return Unavailable(f"{what}: the S3 answers {refusal}")
    if refusal.status in {401, 403}:
        return ConfigurationError(
            f"{what} is refused to us: {refusal}",
            advice="Allow s3:ListBucket on the bucket and s3:GetObject on what is in it to these credentials.",
        )
    return ConfigurationError(f"{what} cannot be listed: the S3 answers {refusal}", advice="Correct `bucket`, `prefix` and `endpoint`.")


def _of_the_object(refusal: Refusal, what: str) -> ConnectorError:
    if refusal.code == "InvalidObjectState":
        advice = "Restore it, then `connectors failures retry`."
        return PermanentError(f"{what} is archived: the S3 answers {refusal}", advice=advice)
    if refusal.code.startswith("KMS."):
        advice = "Enable the key, and allow kms:Decrypt with it to these credentials."
        return Forbidden(f"{what} is encrypted with a key that does not open: {refusal}", advice=advice)
    if refusal.status == 404 or refusal.code in _GONE:
        return NotFound(f"{what} is gone")
    if refusal.status in {401, 403}:
        return Forbidden(
            f"{what} is refused to us: {refusal}", advice="Allow s3:GetObject on it, and kms:Decrypt with the key it is under."
        )
    return PermanentError(f"{what} cannot be read: the S3 answers {refusal}")
