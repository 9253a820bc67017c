"""What an endpoint of kind `s3` may set."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.core.references import SecretReference
from connector_pipelines.sources._globs import Scope

__all__ = ["Ambient", "Anonymous", "Config", "Credentials", "Key", "Profile", "Role"]

_GLOBS = (
    "Globs on the path below `prefix` (below its last `/`): `*` and `?` within one name, `[abc]` and `[!abc]` one character,"
    " `**` alone between slashes any number of folders, none included. Case counts."
)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be an address such as https://minio.example.org:9000")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password; give keys under `credentials`")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("has a port that is no number from 0 to 65535") from error
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]
"""`http://` or `https://`, host, and where needed port and path; no credentials."""


class _Credentials(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Ambient(_Credentials):
    """What the machine has, tried in this order: `AWS_ACCESS_KEY_ID` and its companions in the environment, the
    default profile of the shared credentials file, the role of the pod (web identity, EKS), of the container (ECS)
    or of the instance (EC2)."""

    type: Literal["ambient"] = "ambient"


class Key(_Credentials):
    """An access key, of AWS or of any other S3."""

    type: Literal["key"] = "key"
    access_key_id: str = Field(min_length=1, description="The id itself, which is no secret, or a reference to it.")
    secret_access_key: SecretReference = Field(description="Reference (`env:NAME`, `vault:MOUNT/PATH#FIELD` or another) to the secret key.")
    session_token: SecretReference | None = Field(None, description="Reference to the token that temporary keys come with.")


class Profile(_Credentials):
    """A profile with keys in the shared credentials file, `~/.aws/credentials` or where `AWS_SHARED_CREDENTIALS_FILE` says."""

    type: Literal["profile"] = "profile"
    name: str = Field("default", min_length=1, description="Name of the profile.")


class Role(_Credentials):
    """A role, assumed at STS with other credentials and renewed before it expires."""

    type: Literal["role"] = "role"
    role_arn: str = Field(pattern=r"^arn:[a-z-]+:iam::.*:role/.+$|^arn:minio:.+$", description="ARN of the role.")
    external_id: str | None = Field(None, min_length=2, description="What the owner of the role asks for, where it is in another account.")
    session_name: str = Field(
        "connector-pipelines", pattern=r"^[\w+=,.@-]{2,64}$", description="Names the session in the owner's logs (CloudTrail)."
    )
    sts_endpoint: Address | None = Field(
        None, description="Where roles are assumed. Default: `endpoint` where that is given, as with MinIO, else STS of AWS in `region`."
    )
    source: Ambient | Key | Profile = Field(Ambient(), discriminator="type", description="The credentials the role is assumed with.")


class Anonymous(_Credentials):
    """None, for public buckets: requests are not signed."""

    type: Literal["anonymous"] = "anonymous"


Credentials = Ambient | Key | Profile | Role | Anonymous


class Config(SourceConfig):
    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$", description="Name of the bucket, or alias of an access point.")
    prefix: str = Field(
        "",
        max_length=1024,
        description="Only keys that begin with this, as S3 means it: `reports/` is the folder, `reports` is also `reports-2019/a.pdf`.",
    )
    endpoint: Address | None = Field(
        None, description="Address of the S3, such as `https://minio.example.org:9000`. Default: AWS in `region`."
    )
    region: str = Field(
        "us-east-1", pattern=r"^[a-zA-Z0-9-]+$", description="Region of the bucket. MinIO takes any unless it was given one."
    )
    path_style: bool | None = Field(
        None,
        description="True writes the bucket into the path of the address, false into its host name. Default: into the path where"
        " `endpoint` is given or the bucket's name has a dot, which a certificate of AWS does not cover.",
    )
    credentials: Credentials = Field(Ambient(), discriminator="type", description="Who we are to the S3.")
    include: tuple[str, ...] = Field(("**/*",), min_length=1, description=f"Only objects that match one of these. {_GLOBS}")
    exclude: tuple[str, ...] = Field(
        ("**/.git/**", "**/.DS_Store", "**/~$*", "**/.~lock.*#"),
        description="No objects that match one of these, nor anything below a folder that does. Globs as in `include`.",
    )
    max_file_bytes: int | None = Field(None, gt=0, description="Bytes; a larger object is skipped, with that reason. Null: no limit.")
    page_size: int = Field(1000, ge=1, le=1000, description="Keys asked for in one request and recorded in one transaction.")

    @property
    def folder(self) -> str:
        """The part of `prefix` that paths and globs start below: up to its last slash."""
        return self.prefix[: self.prefix.rfind("/") + 1]

    @property
    def in_path(self) -> bool:
        """Whether the bucket stands in the path."""
        return (self.endpoint is not None or "." in self.bucket) if self.path_style is None else self.path_style

    @field_validator("prefix")
    @classmethod
    def _is_text(cls, prefix: str) -> str:
        if "\0" in prefix:
            raise ValueError("prefix holds a NUL character")
        return prefix

    @field_validator("include", "exclude")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        Scope.of(patterns, ())
        return patterns
