"""Is every planted fault, with the test that catches it, in docs/contract-suites.md, and nothing else?"""

from __future__ import annotations

import re
from pathlib import Path

from tests.testing import (
    test_acl_suite_has_teeth,
    test_folders_suite_has_teeth,
    test_inline_suite_has_teeth,
    test_push_suite_has_teeth,
    test_records_suite_has_teeth,
    test_sink_suite_has_teeth,
    test_source_suite_has_teeth,
)

PAGE = Path(__file__).parent.parent.parent / "docs" / "contract-suites.md"
ROW = re.compile(r"^\| ([A-Z][^|]+) \| `(test_\w+)`", re.MULTILINE)


def test_the_page_of_the_contract_suites_lists_what_is_planted() -> None:
    suites = (
        test_source_suite_has_teeth, test_inline_suite_has_teeth, test_sink_suite_has_teeth, test_records_suite_has_teeth,
        test_push_suite_has_teeth, test_folders_suite_has_teeth, test_acl_suite_has_teeth,
    )  # fmt: skip
    by_name = [(fault.__name__, test) for suite in suites for fault, test in suite.FAULTS.items()]
    by_name.append(("StopsAtARefusedFile", "test_a_refused_file_is_still_listed"))

    told = [("".join(word.capitalize() for word in fault.split()), test) for fault, test in ROW.findall(PAGE.read_text())]

    assert sorted(told) == sorted(by_name)
