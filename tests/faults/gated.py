"""A source and a sink that stop at a named point until a file lets them go on, or fail there; they note what they did.

In the folder `gates`: while `hold-POINT` is there, whoever comes to that point writes `at-POINT` and waits; while
`fail-POINT` is there, it fails with the error of the code it holds. `log` has a line for each thing done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from connector_pipelines.core.errors import with_code
from connector_pipelines.core.protocols import SinkConfig, SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, ChangePage, Cursor, Document, DocumentRef, FileRef, Probe, Upserted

__all__ = ["Gates", "Sink", "Source"]

POLL_S = 0.02
LONGEST_S = 120.0


class Gates:
    """The gates in a folder, seen by the test and by the processes under test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold(self, point: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"hold-{point}").touch()

    def fail(self, point: str, code: str = "unavailable") -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"fail-{point}").write_text(code)

    def open(self, point: str) -> None:
        for kind in ("hold", "fail", "at"):
            (self.folder / f"{kind}-{point}").unlink(missing_ok=True)

    def reached(self, point: str) -> bool:
        return (self.folder / f"at-{point}").exists()

    def done(self) -> list[str]:
        """What was done so far, in order: `open a.txt`, `put search a.txt`, `delete search 1`."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def note(self, line: str) -> None:
        # One write: lines of several processes do not mix.
        descriptor = os.open(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)

    def come_to(self, point: str) -> None:
        fault = self.folder / f"fail-{point}"
        if fault.exists():
            raise with_code(fault.read_text(), f"{point} is away")
        give_up_at = time.monotonic() + LONGEST_S
        while (self.folder / f"hold-{point}").exists() and time.monotonic() < give_up_at:
            (self.folder / f"at-{point}").touch()
            time.sleep(POLL_S)


class Config(SourceConfig):
    gates: Path = Field(description="Folder of the gates.")
    files: int = Field(3, description="How many files there are.")
    name: str = Field("", description="Before the names of the gates, where two endpoints share a folder of them.")


class Source:
    """Files `0.txt` … of a few words."""

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools) -> None:
        self._config, self._gates = config, Gates(config.gates)

    def test(self) -> Probe:
        return Probe(account="gated", abilities=(Ability("list", works=True, detail="always"),))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        return (
            FileRef(id=str(n), path=f"{n}.txt", version="1", media_type="text/plain", size=len(_body(n))) for n in range(self._config.files)
        )

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        self._gates.note("list")
        self._gates.come_to(f"{self._config.name}list")
        yield ChangePage(changes=tuple(map(Upserted, self.list())), cursor=Cursor("end"), snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        self._gates.come_to(f"{self._config.name}open")
        self._gates.note(f"open {ref.path}")
        yield iter([_body(int(ref.id))])

    def close(self) -> None:
        """Nothing is held between calls."""


class GatedSinkConfig(SinkConfig):
    gates: Path = Field(description="Folder of the gates.")


class Sink:
    """Holds nothing; the log says what it was told. Its point is its name."""

    config_type: ClassVar[type[SinkConfig]] = GatedSinkConfig

    def __init__(self, name: str, config: Any, tools: Tools) -> None:
        self._name, self._gates = name, Gates(config.gates)

    def test(self) -> Probe:
        return Probe(account="gated", abilities=(Ability("put", works=True, detail="always"),))

    def put(self, documents: Sequence[Document]) -> None:
        self._gates.come_to(self._name)
        for document in documents:
            self._gates.note(f"put {self._name} {document.path}")

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        self._gates.come_to(self._name)
        for document in documents:
            self._gates.note(f"delete {self._name} {document.id}")

    def close(self) -> None:
        """Nothing is held between calls."""


def _body(n: int) -> bytes:
    return f"the retaining wall number {n} moved".encode()
