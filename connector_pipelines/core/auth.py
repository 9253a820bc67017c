"""How a connector signs in: the `auth:` of `connectors.yaml`. Secrets are references here, never values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector_pipelines.core.references import SecretReference

__all__ = ["ApiKeyAuth", "Auth", "NoAuth"]


class _Auth(BaseModel):
    # Inputs hidden: a traceback shows pydantic's error too, and what is wrong may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NoAuth(_Auth):
    """No sign-in: the folder is simply there."""

    type: Literal["none"] = "none"


class ApiKeyAuth(_Auth):
    """A key sent with every request."""

    type: Literal["apikey"] = "apikey"
    key: SecretReference = Field(description="Reference to the key.")
    place: Literal["header", "query"] = Field("header", description="Where the key goes.")
    name: str = Field("X-API-Key", min_length=1, max_length=100, description="Name of the header or of the query parameter.")


Auth = Annotated[NoAuth | ApiKeyAuth, Field(discriminator="type")]
