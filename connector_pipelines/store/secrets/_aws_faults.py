"""What a refusal of AWS Secrets Manager is to us. Its own words are left out: only what was asked for is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, RateLimited, Unauthenticated, Unavailable

__all__ = ["refused"]

# Those of GetSecretValue as in botocore's model of the service, and those common to all of AWS's services.
_WHO_WE_ARE = frozenset({
    "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_SLOWER = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_SETTINGS = {
    "ResourceNotFoundException": ("has none of that name", "Check name, account and region: AWS_REGION, or write the ARN."),
    "AccessDeniedException": ("does not let us read it", "Allow secretsmanager:GetSecretValue on it to our role or user."),
    "DecryptionFailure": ("could not decrypt it", "Allow kms:Decrypt on the secret's KMS key to our role or user."),
    "InvalidRequestException": (
        "does not give it out: it is marked for deletion, or has no value yet",
        "Restore it (`aws secretsmanager restore-secret`), or give it a value.",
    ),
}


def refused(response: Mapping[str, Any], what: str) -> ConnectorError:
    """The error of ours for an answer that is none."""
    code, status = str(response.get("Error", {}).get("Code", "")), int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    at = f"{what}: AWS Secrets Manager"
    if code in _SLOWER or status == 429:
        return RateLimited(f"{at} asked us to slow down ({code})")
    if status >= 500:
        return Unavailable(f"{at} answered {status} ({code})")
    if code in _WHO_WE_ARE:
        return Unauthenticated(
            f"{at} refused our AWS credentials ({code})", advice="Renew the access key, profile or role of this process."
        )
    problem, advice = _SETTINGS.get(code, (f"refused it: {code or status}", "Check the reference, and what the role or user may do."))
    return ConfigurationError(f"{at} {problem}", advice=advice)
