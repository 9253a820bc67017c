"""A source of records that are files in a folder, name → version. Its feed tells all of them; notifications name the one that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, ChangePage, Cursor, FileRef, Notification, Probe, Upserted
from tests.faults.gated import Gates

__all__ = ["Source", "change"]


class Config(SourceConfig):
    gates: Path = Field(description="Folder of the gates; the records are in `records` in it.")


class Source:
    """Follows a payload that is `{"id": NAME}`; of any other it says that it does not name all."""

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools) -> None:
        self._gates, self._records = Gates(config.gates), config.gates / "records"

    def test(self) -> Probe:
        return Probe(account="following", abilities=(Ability("list", works=True, detail="always"),))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        return (self._ref(path.name) for path in sorted(self._records.glob("*")))

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        self._gates.note("list")
        self._gates.come_to("list")
        yield ChangePage(changes=tuple(map(Upserted, self.list())), cursor=Cursor("end"), snapshot=cursor == START)

    def follow(self, notifications: Sequence[Notification]) -> Iterator[ChangePage] | None:
        names = [one.payload.get("id") for one in notifications]
        if None in names:
            return None
        return self._pages(list(dict.fromkeys(names)))

    def _pages(self, names: Sequence[str]) -> Iterator[ChangePage]:
        self._gates.note(f"follow {len(names)}")
        self._gates.come_to("follow")
        yield ChangePage(changes=tuple(Upserted(self._ref(name)) for name in names))

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        yield iter([f"the record {ref.id} at version {(self._records / ref.id).read_text()}".encode()])

    def close(self) -> None:
        """Nothing is held between calls."""

    def _ref(self, name: str) -> FileRef:
        return FileRef(id=name, path=f"{name}.txt", version=(self._records / name).read_text(), media_type="text/plain")


def change(gates: Path, name: str, version: int) -> None:
    """Give the record this version, whole."""
    fresh = gates / f"new-{name}"
    fresh.write_text(str(version))
    fresh.replace(gates / "records" / name)
