"""What an endpoint of kind `local_folder` may set."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.sources._globs import Scope

__all__ = ["Config"]

_GLOBS = (
    "Globs on the path below `root`: `*` and `?` within one name, `[abc]` and `[!abc]` one character, `**` alone between"
    " slashes any number of folders, none included. Case counts, and a leading dot is a character like any other."
)


class Config(SourceConfig):
    root: Path = Field(
        description="The folder. `~` is the home folder of the user the sync runs as; a relative path starts at the folder of"
        " `connectors.yaml`, or, given over the API, at the process's working directory."
    )
    include: tuple[str, ...] = Field(("**/*",), min_length=1, description=f"Only files that match one of these. {_GLOBS}")
    exclude: tuple[str, ...] = Field(
        ("**/.git/**", "**/.DS_Store", "**/~$*", "**/.~lock.*#"),
        description="No files that match one of these, nor anything in a folder that does; such a folder is not entered. Globs as in"
        " `include`. The default leaves out what Git, macOS and open office documents put beside people's files.",
    )
    follow_symlinks: bool = Field(
        True,
        description="True follows symbolic links that stay inside `root`, but not those found below a link, and skips, with its"
        " reason, a link that leads outside, into nothing, or back up. False skips them all.",
    )
    max_file_bytes: int | None = Field(None, gt=0, description="Bytes; a larger file is skipped, with that reason. Null: no limit.")
    page_size: int = Field(1000, ge=1, le=10_000, description="Files recorded in one transaction.")

    @field_validator("root", mode="before")
    @classmethod
    def _is_given(cls, root: object) -> object:
        if isinstance(root, str) and (not root.strip() or "\0" in root):
            raise ValueError("root must be the path of a folder; write . for the working directory")
        return root

    @field_validator("root")
    @classmethod
    def _at_home(cls, root: Path) -> Path:
        try:
            return root.expanduser()
        except RuntimeError as error:
            raise ValueError(f"{root} begins with the home folder of a user this machine does not know") from error

    @field_validator("include", "exclude")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        Scope.of(patterns, ())
        return patterns
