"""How do tests of extractors hand a file over, and read what comes back?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector_pipelines.core.protocols import Extractor
from connector_pipelines.core.types import Facts, InputFile, Part, Section, Shortfall
from connector_pipelines.extractors._bounds import bounded
from connector_pipelines.extractors._pool import ExtractionPool, Limits

MakeFile = Callable[..., InputFile]


@dataclass(frozen=True, slots=True)
class Read:
    """What an extractor said: sections, and its facts put together."""

    sections: list[Section]
    facts: Facts
    parts: list[Part]
    shortfalls: list[Shortfall]

    @property
    def named(self) -> dict[str, bytes]:
        """What is in the parts, by their names."""
        return {part.name: part.path.read_bytes() for part in self.parts}

    @property
    def text(self) -> str:
        return "\n".join(section.text for section in self.sections)


def read(extractor: Extractor, file: InputFile) -> Read:
    items = list(bounded(extractor.extract(file), file.max_text_bytes))  # as the worker does
    facts = [item for item in items if isinstance(item, Facts)]
    merged = Facts(
        title=next((one.title for one in reversed(facts) if one.title), None),
        details={key: value for one in facts for key, value in one.details.items()},
        warnings=tuple(warning for one in facts for warning in one.warnings),
    )
    parts = [item for item in items if isinstance(item, Part)]
    return Read(
        [item for item in items if isinstance(item, Section)], merged, parts, [item for item in items if isinstance(item, Shortfall)]
    )


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Write bytes to a file under a name and describe it; other keywords are those of InputFile."""

    def make(name: str, data: bytes, media_type: str = "application/octet-stream", **others: object) -> InputFile:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"  # as in life: the path says nothing about the type
        path.write_bytes(data)
        return InputFile(path=path, name=name, media_type=media_type, **others)  # type: ignore[arg-type]  # the tests' own

    return make


@pytest.fixture
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files inside a file go."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture
def pool() -> Iterator[ExtractionPool]:
    with ExtractionPool(1, Limits(time_s=60, memory_bytes=1024**3)) as pool:
        yield pool
