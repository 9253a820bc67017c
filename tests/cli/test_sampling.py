"""What `connectors test` shows of records: the first few, short, and no secret among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from connector_pipelines.cli.sampling import FIELDS_SHOWN, samples, show_sample
from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import Record, Stream


class Streams:
    """Streams and what is in them; a stream of None cannot be read."""

    def __init__(self, **records: list[dict[str, Any]] | None) -> None:
        self.records = records

    def streams(self) -> Sequence[Stream]:
        return [Stream(name=name, primary_key=("id",)) for name in self.records]

    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        found = self.records[stream]
        if found is None:
            raise Unavailable("it is away")
        return [Record(stream=Stream(name=stream, primary_key=("id",)), fields=fields) for fields in found[:limit]]


def test_the_first_records_are_shown_with_their_key_first() -> None:
    (sample,) = samples(Streams(deals=[{"name": f"deal {n}", "id": n, "tags": ["a"], "none": None} for n in range(9)]))
    assert [dict(record) for record in sample.records] == [
        {"id": str(n), "name": f"deal {n}", "tags": '["a"]', "none": ""} for n in range(3)
    ]


def test_long_values_and_many_fields_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    (sample,) = samples(Streams(deals=[{f"field{n}": "x" * 10_000 for n in range(30)}]))
    assert (len(sample.records[0]), sample.more_fields) == (FIELDS_SHOWN, 30 - FIELDS_SHOWN)
    assert max(len(text) for text in sample.records[0].values()) < 40
    show_sample(sample)
    assert "more fields" in capsys.readouterr().out


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": "canary"},
        {"password": "canary"},
        {"accessToken": "canary"},
        {"auth": {"client_secret": "canary"}},
        {"hooks": [{"token": "canary"}]},
    ],
)
def test_values_of_fields_named_like_secrets_are_not_shown(fields: dict[str, Any]) -> None:
    (sample,) = samples(Streams(hooks=[{"id": 1, **fields}]))
    assert "canary" not in str(sample)
    assert "(not shown)" in str(sample) or "***" in str(sample)


def test_a_record_paints_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    (sample,) = samples(Streams(deals=[{"id": "\x1b[31mred"}]))
    show_sample(sample)
    assert "\x1b[31m" not in capsys.readouterr().out


def test_a_stream_that_cannot_be_read_hides_no_other() -> None:
    assert [sample.stream for sample in samples(Streams(away=None, deals=[]))] == ["deals"]


def test_a_stream_without_records_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    for sample in samples(Streams(deals=[])):
        show_sample(sample)
    assert capsys.readouterr().out.strip() == "deals: no records"
