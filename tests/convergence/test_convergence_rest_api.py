"""Records of an API: whatever fails, whoever is killed and however people edit, tables, documents and vectors end equal to the source.

In full, with 10,000 edits of 50,000 records: `python -m tests.convergence`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from connector_pipelines.testing.fake_api import fake_api_process
from tests.convergence.campaign import Campaign, Size
from tests.convergence.rest_api.company import RestCompany

SIZE = Size(edits=500, rounds=7, faults=3)


@pytest.mark.timeout(290)
@pytest.mark.parametrize("seed", [1, 2])
def test_tables_documents_and_vectors_end_equal_to_the_source(seed: int, tmp_path: Path, database_url: str) -> None:
    dice = random.Random(seed)
    with fake_api_process() as api:
        company = RestCompany(database_url, tmp_path, api, dice, records=900, page=40)
        outcome = Campaign(company, SIZE, seed, dice, lambda what: sys.stderr.write(f"{what}\n")).run()

    assert outcome.before_sweep == []
    assert outcome.after_sweep == []
    assert outcome.unsettled == []
    assert list(outcome.too_early) == []
    assert outcome.news_at_rest == 0
    assert outcome.ends["killed"] >= 1, f"too few were killed for this to prove anything: {outcome.ends}"
    assert sum(outcome.faults.values()) >= 1, f"too few faults for this to prove anything: {outcome.faults}"
