"""Who we are to an S3: from settings to keys that sign."""

from __future__ import annotations

import configparser
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlencode, urlsplit

import urllib3

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unauthenticated, Unavailable
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.core.protocols import Tools
from connector_pipelines.net.outbound import urllib3_pool
from connector_pipelines.sources.s3.config import Ambient, Anonymous, Config, Key, Profile, Role

if TYPE_CHECKING:
    from minio.credentials.credentials import Credentials as Keys

__all__ = ["Headers", "Wallet", "amz_date"]

_PASSING_STATUSES: Final = (500, 502, 503, 504)
_GRANTED: Final = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_METADATA_TIMEOUT: Final = urllib3.Timeout(connect=2, read=5)
_STS_TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)

Headers: TypeAlias = dict[str, str | list[str] | tuple[str]]
"""As minio's signer takes them. Ours are all text."""

Retrieve: TypeAlias = Callable[[], "Keys | None"]


class Wallet:
    """The keys to sign with just now; asked for when first needed, and again when they expire."""

    def __init__(self, config: Config, tools: Tools) -> None:
        self._retrieve = _way_to_keys(config, tools)
        self._lock = threading.Lock()
        self._held: Keys | None = None
        self._is_open = False

    def __repr__(self) -> str:
        return "Wallet(…)"

    def keys(self) -> Keys | None:
        """None where requests are not signed.

        Raises:
            ConfigurationError: There are none where the settings say.
            Unauthenticated: The role is refused.
            Unavailable: STS does not answer.
        """
        with self._lock:
            if not self._is_open or (self._held is not None and self._held.is_expired()):
                self._held = self._retrieve()
                self._is_open = True
            return self._held


def amz_date(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _way_to_keys(config: Config, tools: Tools) -> Retrieve:
    match config.credentials:
        case Anonymous():
            return lambda: None
        case Role() as role:
            source = _way_to_lasting_keys(role.source, tools)
            return lambda: _assumed(role, source(), config, tools.outbound)
        case lasting:
            return _way_to_lasting_keys(lasting, tools)


def _way_to_lasting_keys(given: Ambient | Key | Profile, tools: Tools) -> Callable[[], Keys]:
    match given:
        case Key():
            return lambda: _of_key(given, tools)
        case Profile(name=name):
            return lambda: _of_profile(name)
        case Ambient():
            return _ambient


def _of_key(key: Key, tools: Tools) -> Keys:
    from minio.credentials.credentials import Credentials as Keys

    # No id has a colon, every reference has.
    key_id = tools.secret(key.access_key_id).get_secret_value() if ":" in key.access_key_id else key.access_key_id
    token = None if key.session_token is None else tools.secret(key.session_token).get_secret_value()
    return Keys(key_id, tools.secret(key.secret_access_key).get_secret_value(), token)


def _of_profile(name: str) -> Keys:
    from minio.credentials.providers import AWSConfigProvider

    try:
        return AWSConfigProvider(profile=name).retrieve()
    except (ValueError, OSError, configparser.Error) as error:
        # Its text names file and profile, and no key; that of a file that cannot be parsed repeats a line of it.
        reason = str(error) if "does not exist in profile" in str(error) else f"the file cannot be read ({type(error).__name__})"
        raise ConfigurationError(
            f"there are no keys in profile {name!r}: {reason}",
            advice="Put them there (`aws configure`, or for SSO `aws configure export-credentials`), or name another profile.",
        ) from None


def _ambient() -> Keys:
    for retrieve in _ambient_ways():
        try:
            return retrieve()
        except (ValueError, KeyError, OSError, configparser.Error, urllib3.exceptions.HTTPError):
            # What is not there fails in as many ways as there are places; their texts hold tokens.
            continue
    raise ConfigurationError(
        "this machine has no AWS credentials: neither in the environment, nor in a default profile, nor from a role of pod, container or instance",
        advice="Set `credentials` to keys, a profile or a role, or to `anonymous` for a public bucket.",
    )


def _ambient_ways() -> Iterator[Callable[[], Keys]]:
    from minio.credentials.providers import AWSConfigProvider, EnvAWSProvider, IamAwsProvider

    patience = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=_PASSING_STATUSES)
    yield EnvAWSProvider().retrieve
    yield AWSConfigProvider().retrieve
    yield IamAwsProvider(http_client=urllib3.PoolManager(timeout=_METADATA_TIMEOUT, retries=patience)).retrieve


def _assumed(role: Role, keys: Keys, config: Config, outbound: Outbound) -> Keys:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""
    from minio.credentials.credentials import Credentials as Keys

    body = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role.role_arn, "RoleSessionName": role.session_name}
    if role.external_id is not None:
        body["ExternalId"] = role.external_id
    answer = _asked_of_sts(_sts(role, config), urlencode(body), keys, config.region, outbound)
    key_id, secret, token, expires = (answer.findtext(f".//{{*}}Credentials/{{*}}{name}") or "" for name in _GRANTED)
    if not (key_id and secret and token and expires):
        raise _refused(role, answer.findtext(".//{*}Error/{*}Code") or "nothing of use")
    try:
        return Keys(key_id, secret, token, datetime.fromisoformat(expires))
    except ValueError:
        raise _refused(role, "credentials without a readable expiry") from None


def _refused(role: Role, code: str) -> ConnectorError:
    if code in {"Throttling", "ServiceUnavailable", "InternalFailure"}:
        return Unavailable(f"role {role.role_arn} cannot be assumed just now: STS answers {code}")
    return Unauthenticated(
        f"role {role.role_arn} cannot be assumed: STS answers {code}",
        advice="Let the role trust these credentials (sts:AssumeRole, with the external id if it asks for one), and see that they are valid.",
    )


def _asked_of_sts(endpoint: str, body: str, keys: Keys, region: str, outbound: Outbound) -> Any:
    from lxml import etree
    from minio.signer import sign_v4_sts

    now, url = datetime.now(UTC), urlsplit(f"{endpoint}/")
    headers: Headers = {"Host": url.netloc, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "X-Amz-Date": amz_date(now)}
    if keys.session_token:
        headers["X-Amz-Security-Token"] = keys.session_token
    digest = sha256(body.encode()).hexdigest()
    sign_v4_sts(method="POST", url=url, region=region, headers=headers, credentials=keys, content_sha256=digest, date=now)
    patience = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=_PASSING_STATUSES, allowed_methods=None, raise_on_status=False)
    try:
        with urllib3_pool(outbound, endpoint, timeout=_STS_TIMEOUT, retries=patience) as pool:
            answer = pool.urlopen("POST", url.geturl(), body=body, headers=headers, redirect=False)
        return etree.fromstring(answer.data, etree.XMLParser(resolve_entities=False, no_network=True))
    except (urllib3.exceptions.HTTPError, etree.XMLSyntaxError) as error:
        raise Unavailable(f"{url.netloc} did not answer as an STS does: {type(error).__name__}") from None


def _sts(role: Role, config: Config) -> str:
    if role.sts_endpoint or config.endpoint:
        return role.sts_endpoint or str(config.endpoint)
    return f"https://sts.{config.region}.amazonaws.com{'.cn' if config.region.startswith('cn-') else ''}"
