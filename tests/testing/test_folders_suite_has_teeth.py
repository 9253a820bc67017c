"""A source that names its folders, and is wrong about them in one way, is caught by the test that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest

from connector_pipelines.core.types import Change, ChangePage, Deleted, Folder, Upserted
from connector_pipelines.testing.folders import Recorded
from connector_pipelines.testing.memory_source import Config, Service, Source
from connector_pipelines.testing.source_suite import FoldersContract, plain_tools
from tests.testing.faults import CAUGHT, run


class FoldersAfterWhatLiesInThem(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        *pages, last = super()._snapshot()
        yield from reversed([replace(page, changes=page.changes[::-1]) for page in pages])
        yield last


class RenamedFolderNotTold(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, changes=tuple(c for c in page.changes if not isinstance(c, Folder)))


class MovedFolderWhereItWas(Source):
    def _change(self, file_id: str) -> Change:
        change = super()._change(file_id)
        return replace(change, path=change.path.rsplit("/", 1)[-1]) if isinstance(change, Folder) else change


class RemovedFolderNotTold(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, changes=tuple(c for c in page.changes if not isinstance(c, Deleted)))


class FilesThatLieNowhere(Source):
    def _change(self, file_id: str) -> Change:
        change = super()._change(file_id)
        return Upserted(replace(change.ref, parent=None)) if isinstance(change, Upserted) else change


class GoneWithTheFolderItLeft(Source):
    """Takes what was recorded for what lies in a folder now."""

    def _delta(self, place: int) -> Iterator[ChangePage]:
        lying = {each: ref.parent for each, ref in self.recorded.files.items()}
        for page in super()._delta(place):
            gone = {c.id for c in page.changes if isinstance(c, Deleted)}
            yield replace(page, changes=(*page.changes, *(Deleted(each) for each, parent in lying.items() if parent in gone)))


FAULTS: dict[type[Source], str] = {
    FoldersAfterWhatLiesInThem: "test_a_folder_is_named_before_what_lies_in_it",
    RenamedFolderNotTold: "test_what_lies_below_a_renamed_folder_has_its_path",
    MovedFolderWhereItWas: "test_a_folder_that_moves_takes_along_what_lies_in_it",
    RemovedFolderNotTold: "test_a_folder_that_goes_takes_along_what_lies_in_it",
    FilesThatLieNowhere: "test_what_lies_below_a_renamed_folder_has_its_path",
    GoneWithTheFolderItLeft: "test_what_moved_out_before_its_folder_went_is_there",
}


def fixtures_of(kind: type[Source]) -> Callable[[], Mapping[str, object]]:
    def fixtures() -> Mapping[str, object]:
        world, recorded = Service(), Recorded()
        source = kind(Config(), plain_tools(folders=recorded), service=world)
        source.recorded = recorded
        return {"world": world, "recorded": recorded, "source": source}

    return fixtures


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_fault_is_caught(fault: type[Source], test: str) -> None:
    run(FoldersContract, test, fixtures_of(Source))
    with pytest.raises((*CAUGHT, KeyError)):
        run(FoldersContract, test, fixtures_of(fault))
