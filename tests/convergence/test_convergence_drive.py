"""A Google Drive: whatever fails, whoever is killed and however people edit, catalog, documents and vectors end equal to what is there.

In full, with 10,000 edits of 3,000 files: `python -m tests.convergence drive`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from connector_pipelines.testing.fake_drive import fake_drive_process
from tests.convergence.campaign import Campaign, Size
from tests.convergence.drive.company import DriveCompany

SIZE = Size(edits=300, rounds=4, faults=12)


@pytest.mark.timeout(290)
@pytest.mark.parametrize("seed", [1, 2])
def test_documents_end_equal_to_what_each_reader_of_the_drive_may_see(seed: int, tmp_path: Path, database_url: str) -> None:
    dice = random.Random(seed)
    with fake_drive_process() as drive:
        company = DriveCompany(database_url, tmp_path, drive, dice, files=150, page=20)
        outcome = Campaign(company, SIZE, seed, dice, lambda what: sys.stderr.write(f"{what}\n")).run()

    # In one such run of some thirty the feeds leave something open until the sweep: the long command tells what.
    assert outcome.after_sweep == []
    assert outcome.unsettled == []
    assert list(outcome.too_early) == []
    assert outcome.news_at_rest == 0
    assert outcome.fetched_again == []
    assert outcome.ends["killed"] >= 1, f"too few were killed for this to prove anything: {outcome.ends}"
    assert sum(outcome.faults.values()) >= 1, f"too few faults for this to prove anything: {outcome.faults}"
