"""A source that is wrong in one way is caught by the test that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from connector_pipelines.core.errors import ConfigurationError, NotFound, Unavailable
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import START, ChangePage, Checksum, Cursor, Deleted, FileRef, Upserted
from connector_pipelines.testing.memory_source import Config, Service, Source
from connector_pipelines.testing.source_suite import RefusalContract, SourceContract, plain_tools
from tests.testing.faults import CAUGHT, run


class MissesAFile(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        for page in super()._snapshot():
            yield replace(page, changes=page.changes[: self._config.page_size - 1])


class NamesAFileTwice(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        for page in super()._snapshot():
            yield replace(page, changes=page.changes + page.changes[:1])


class CursorInTheMiddleOfASnapshot(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        for page in super()._snapshot():
            yield replace(page, cursor=page.cursor or self._cursor(0))


class NoCursorAtTheEnd(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        for page in super()._snapshot():
            yield replace(page, cursor=None)


class CursorTakenAfterTheListing(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        *pages, last = super()._snapshot()
        yield from pages
        yield replace(last, cursor=self._cursor(len(self._service.events)))


class DeltaThatClaimsToBeASnapshot(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, snapshot=True)


class DeltaPageWithoutCursor(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        *pages, last = super()._delta(place)
        yield from (replace(page, cursor=None) for page in pages)
        yield last


class DeltaCursorAtTheEndOnEveryPage(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, cursor=self._cursor(len(self._service.events)))


class CursorThatDoesNotMove(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, cursor=self._cursor(place))


class NoPageWhereNothingChanged(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        return (page for page in super()._delta(place) if page.changes)


class DeletionNotTold(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, changes=tuple(c for c in page.changes if not isinstance(c, Deleted)))


class DeletionsInASnapshot(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        for page in super()._snapshot():
            yield replace(page, changes=(*page.changes, *(Deleted(i) for i in self._service.events if i not in self._service.files)))


class StuckOnADroppedCursor(Source):
    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        if cursor and not cursor.startswith(f"{self._service.epoch}:"):
            raise Unavailable("410")
        return super().changes(cursor)


class OnlyADeltaAfterADroppedCursor(Source):
    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        return self._delta(len(self._service.events)) if cursor else super().changes(cursor)


class EmptyWhereThereIsNothingToSee(Source):
    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        if self._service.is_there:
            return super().changes(cursor)
        return iter([ChangePage(changes=(), cursor=Cursor("0:0"), snapshot=True)])


class OneReaderAtATime(Source):
    def _snapshot(self) -> Iterator[ChangePage]:
        self._rest = tuple(super()._snapshot())
        while self._rest:
            page, self._rest = self._rest[0], self._rest[1:]
            yield page


class VersionFromTheSize(Source):
    def _ref(self, file_id: str) -> FileRef:
        ref = super()._ref(file_id)
        return replace(ref, version=str(ref.size))


class VersionFromTheTime(Source):
    def _ref(self, file_id: str) -> FileRef:
        ref = super()._ref(file_id)
        return replace(ref, version=str(ref.modified_at))


class NamesMadeTidy(Source):
    def _ref(self, file_id: str) -> FileRef:
        ref = super()._ref(file_id)
        return replace(ref, path=ref.path.strip())


class IdsThatAreNoText(Source):
    def _ref(self, file_id: str) -> FileRef:
        return replace(super()._ref(file_id), url=f"memory://{file_id}\udcff")


class IdsOfTheirOwn(Source):
    def _ref(self, file_id: str) -> FileRef:
        return replace(super()._ref(file_id), id=f"{id(self)}-{file_id}")


class OneIdentityForAll(Source):
    def _ref(self, file_id: str) -> FileRef:
        return replace(super()._ref(file_id), identity="inode 7")


class LocalTimes(Source):
    def _ref(self, file_id: str) -> FileRef:
        ref = super()._ref(file_id)
        return replace(ref, modified_at=ref.modified_at and ref.modified_at.replace(tzinfo=None))


class ChecksumOfSomethingElse(Source):
    def _ref(self, file_id: str) -> FileRef:
        return replace(super()._ref(file_id), checksum=Checksum("md5", "0" * 32))


class MediaTypeWithParameters(Source):
    def _ref(self, file_id: str) -> FileRef:
        return replace(super()._ref(file_id), media_type="text/plain; charset=utf-8")


class ShowsItsSecret(Source):
    def __init__(self, config: Config, tools: Tools, *, service: Service) -> None:
        super().__init__(config, tools, service=service)
        self._password = tools.secret("env:PASSWORD").get_secret_value()


class EmptyForWhatIsGone(Source):
    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        try:
            with super().open(ref) as chunks:
                yield chunks
        except NotFound:
            yield iter([b""])


class SwallowsErrors(Source):
    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        with super().open(ref) as chunks, suppress(Exception):
            yield chunks


class StopsShort(Source):
    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        with super().open(ref) as chunks:
            yield iter([next(chunks, b"")])


class EverythingInOneChunk(Source):
    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        with super().open(ref) as chunks:
            yield iter([b"".join(chunks) + b"\0" * 2**24])


class StopsAtARefusedFile(Source):
    def _change(self, file_id: str) -> Upserted | Deleted:
        if file_id in self._service.refused:
            raise ConfigurationError("403")
        return Upserted(self._ref(file_id))


class ForgetsEveryFolder(Source):
    def list(self, folder: str = "") -> Iterator[FileRef]:
        return super().list()


class FindsEverythingGone(Source):
    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        return frozenset()


class FindsNothingGone(Source):
    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        return frozenset(ref.id for ref in refs)


FAULTS: dict[type[Source], str] = {
    MissesAFile: "test_the_start_is_a_snapshot_that_names_every_file",
    NamesAFileTwice: "test_a_snapshot_names_each_file_once",
    CursorInTheMiddleOfASnapshot: "test_only_the_last_page_of_a_snapshot_has_a_cursor",
    NoCursorAtTheEnd: "test_an_empty_feed_is_an_empty_snapshot",
    CursorTakenAfterTheListing: "test_what_is_written_during_a_listing_is_not_missed",
    DeltaThatClaimsToBeASnapshot: "test_after_the_cursor_nothing_is_told_again",
    DeltaPageWithoutCursor: "test_every_page_of_a_delta_has_a_cursor",
    DeltaCursorAtTheEndOnEveryPage: "test_a_reader_may_stop_after_any_page",
    CursorThatDoesNotMove: "test_what_came_after_the_cursor_is_told_once",
    NoPageWhereNothingChanged: "test_after_the_cursor_nothing_is_told_again",
    DeletionNotTold: "test_a_removal_is_told_or_absent_from_a_snapshot",
    DeletionsInASnapshot: "test_a_snapshot_tells_no_deletions",
    StuckOnADroppedCursor: "test_a_cursor_the_other_side_has_dropped_becomes_a_snapshot",
    OnlyADeltaAfterADroppedCursor: "test_a_cursor_the_other_side_has_dropped_becomes_a_snapshot",
    EmptyWhereThereIsNothingToSee: "test_what_vanished_is_an_error_and_never_an_empty_snapshot",
    OneReaderAtATime: "test_two_readers_do_not_disturb_each_other",
    VersionFromTheSize: "test_other_bytes_are_another_version",
    VersionFromTheTime: "test_other_bytes_are_another_version",
    NamesMadeTidy: "test_files_of_any_name_are_named_and_opened",
    IdsThatAreNoText: "test_ids_and_versions_fit_a_database",
    IdsOfTheirOwn: "test_ids_are_the_same_for_every_instance",
    OneIdentityForAll: "test_no_two_files_have_one_identity",
    LocalTimes: "test_what_is_said_of_a_file_is_true",
    ChecksumOfSomethingElse: "test_what_is_said_of_a_file_is_true",
    MediaTypeWithParameters: "test_media_types_are_in_normal_form",
    ShowsItsSecret: "test_secrets_are_not_shown",
    EmptyForWhatIsGone: "test_an_id_nobody_gave_out_opens_nothing",
    SwallowsErrors: "test_a_reader_may_leave_early_with_its_own_error",
    StopsShort: "test_open_gives_the_bytes_in_chunks",
    EverythingInOneChunk: "test_open_gives_the_bytes_in_chunks",
    ForgetsEveryFolder: "test_a_folder_that_is_not_there_cannot_be_listed",
    FindsEverythingGone: "test_only_what_is_gone_is_confirmed_gone",
    FindsNothingGone: "test_only_what_is_gone_is_confirmed_gone",
}


def fixtures_of(kind: type[Source]) -> Callable[[], Mapping[str, object]]:
    def fixtures() -> Mapping[str, object]:
        world = Service()
        source, again = (kind(Config(), plain_tools(), service=world) for _ in range(2))
        return {"world": world, "source": source, "again": again}

    return fixtures


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_fault_is_caught(fault: type[Source], test: str) -> None:
    run(SourceContract, test, fixtures_of(Source))
    with pytest.raises(CAUGHT):
        run(SourceContract, test, fixtures_of(fault))


def test_a_refused_file_that_stops_the_listing_is_caught() -> None:
    run(RefusalContract, "test_a_refused_file_is_still_listed", fixtures_of(Source))
    with pytest.raises(CAUGHT):
        run(RefusalContract, "test_a_refused_file_is_still_listed", fixtures_of(StopsAtARefusedFile))
