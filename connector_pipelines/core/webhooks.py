"""How calls of a connector's webhook are proven genuine, and told apart: the `webhook:` of `connectors.yaml`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector_pipelines.core.durations import Duration
from connector_pipelines.core.references import SecretReference

__all__ = [
    "BySource", "ByToken", "DeliveryId", "HeaderName", "HmacSignature", "SignedTimestamp", "Verification", "WebhookSettings", "pieces_of",
]  # fmt: skip

MAX_BODY_BYTES = 16 * 1024**2

_PIECE = re.compile(r"(\{[^{}]*\})")
_PLACES = frozenset({"{body}", "{timestamp}", "{method}", "{url}"})
_HEADER_PLACE = re.compile(r"\{header:[A-Za-z0-9-]{1,100}\}")

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
_Secrets = Annotated[tuple[SecretReference, ...], Field(min_length=1, max_length=10)]


class _Model(BaseModel):
    # Inputs hidden: a traceback shows pydantic's error too, and what is wrong may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SignedTimestamp(_Model):
    """When the call was made: seconds or milliseconds since 1970, or an ISO 8601 instant."""

    header: HeaderName = Field(description="Header that holds it.")
    prefix: str = Field("", max_length=50, description="What stands before it in the header, such as `t=`.")
    separator: str | None = Field(
        None, min_length=1, max_length=5, description="What separates the parts of the header, where it has several."
    )
    tolerance: Duration = Field(
        timedelta(minutes=5),
        gt=timedelta(0),
        le=timedelta(days=1),
        description="A call that is older, or from further in the future, is refused.",
    )


class HmacSignature(_Model):
    """Each call carries a signature, made with a secret that the sender shares with us. GitHub, Shopify, Stripe, Slack, HubSpot do this."""

    type: Literal["hmac"] = "hmac"
    secrets: _Secrets = Field(description="References to the secrets, any of which a call may be signed with: two while one is replaced.")
    header: HeaderName = Field(description="Header that holds the signature.")
    prefix: str = Field("", max_length=50, description="What stands before the signature in the header, such as `sha256=`.")
    separator: str | None = Field(
        None,
        min_length=1,
        max_length=5,
        description="What separates the parts of the header, where it has several; those with the prefix count.",
    )
    encoding: Literal["hex", "base64"] = Field("hex", description="How the signature is written.")
    algorithm: Literal["sha256", "sha512", "sha1"] = Field("sha256", description="Hash of the HMAC.")
    secret_encoding: Literal["text", "hex", "base64"] = Field(
        "text", description="What the secret is to be read as; `base64` may begin with `whsec_`."
    )
    signed: str = Field(
        "{body}",
        max_length=200,
        description="What is signed, of `{body}`, `{timestamp}`, `{method}`, `{url}` and `{header:NAME}`, such as `{timestamp}.{body}`.",
    )
    url: str | None = Field(
        None, max_length=2000, description="For `{url}`: this webhook's address as the sender has it, which a proxy may hide from us."
    )
    timestamp: SignedTimestamp | None = Field(
        None, description="Where the time of the call stands. Default: nowhere, and a call that was overheard can be repeated."
    )

    @field_validator("signed")
    @classmethod
    def _known_places(cls, signed: str) -> str:
        unknown = [p for p in _PIECE.findall(signed) if p not in _PLACES and not _HEADER_PLACE.fullmatch(p)]
        if unknown or "{" in _PIECE.sub("", signed) or "}" in _PIECE.sub("", signed):
            raise ValueError(f"knows {', '.join(sorted(_PLACES))} and {{header:NAME}}, not {', '.join(unknown) or 'a single brace'}")
        if "{body}" not in signed:
            raise ValueError("should hold {body}, or the body could be anything")
        return signed

    @model_validator(mode="after")
    def _whole(self) -> HmacSignature:
        if ("{timestamp}" in self.signed) != (self.timestamp is not None):
            raise ValueError("`timestamp` and {timestamp} in `signed` go together: a time that is not signed proves nothing")
        if ("{url}" in self.signed) != (self.url is not None):
            raise ValueError("`url` and {url} in `signed` go together")
        return self


class ByToken(_Model):
    """Each call carries a secret itself. GitLab and Google do this."""

    type: Literal["token"] = "token"
    secrets: _Secrets = Field(description="References to the tokens, any of which a call may carry: two while one is replaced.")
    place: Literal["header", "bearer", "query"] = Field(
        "header", description="`header`; `bearer`: `Authorization: Bearer …`; `query`, which proxies write into their logs."
    )
    name: HeaderName = Field("X-Webhook-Token", description="Name of the header or of the query parameter.")


class BySource(_Model):
    """The kind has a way of its own, which its page describes."""

    type: Literal["source"] = "source"


class DeliveryId(_Model):
    """Where the sender's own name for a delivery stands; told again, it is the same."""

    header: HeaderName | None = Field(None, description="Header that holds it.")
    path: str | None = Field(None, min_length=1, max_length=200, description="Dotted path to it in the payload, such as `event.id`.")

    @model_validator(mode="after")
    def _one(self) -> DeliveryId:
        if (self.header is None) == (self.path is None):
            raise ValueError("should name one of `header` and `path`")
        return self


Verification = Annotated[HmacSignature | ByToken | BySource, Field(discriminator="type")]


class WebhookSettings(_Model):
    """Calls of `/webhooks/NAME`, by which another system says that something changed."""

    verify: Verification = Field(description="How a call is proven genuine.")
    delivery_id: DeliveryId | None = Field(
        None, description="By what a call that is made again is known. Default: the same signed body at the same signed time."
    )
    max_body_bytes: int = Field(1024**2, gt=0, le=MAX_BODY_BYTES, description="Bytes; a larger call is refused.")


def pieces_of(signed: str) -> list[str]:
    """What `signed` is put together from, in order: places such as `{body}`, and the text between them."""
    return [piece for piece in _PIECE.split(signed) if piece]
