"""Every error has a code that never changes, and one of the five classes."""

from __future__ import annotations

from typing import get_args

import pytest

from connector_pipelines.core import errors
from connector_pipelines.core.errors import (
    ConnectorError,
    ErrorClass,
    PermanentError,
    RateLimited,
    ResourceError,
    TransientError,
    with_code,
)

# Shared by the ledger, logs, metrics and the API: a code may be added here, never changed or taken away.
CODES = {
    "busy": ("transient", False),
    "configuration": ("configuration", False),
    "connector_error": ("permanent", False),
    "deletions_held": ("configuration", False),
    "encrypted": ("permanent", False),
    "forbidden": ("security", False),
    "malformed": ("permanent", False),
    "mismatch": ("permanent", False),
    "not_found": ("permanent", False),
    "permanent": ("permanent", False),
    "rate_limited": ("transient", False),
    "resource": ("resource", False),
    "security": ("security", True),
    "too_many_failed": ("resource", False),
    "transient": ("transient", False),
    "subject_refused": ("security", False),
    "unauthenticated": ("security", True),
    "unavailable": ("transient", False),
}


def tree(root=ConnectorError):
    """All classes of the module; a test elsewhere may make subclasses of its own."""
    below = [one for branch in root.__subclasses__() if branch.__module__ == errors.__name__ for one in tree(branch)]
    return [root, *below]


def test_codes_classes_and_what_stops_a_connector_stay_as_they_are():
    assert {one.code: (one.error_class, one.stops_connector) for one in tree()} == CODES


def test_no_two_errors_share_a_code():
    assert len({one.code for one in tree()}) == len(tree())


@pytest.mark.parametrize("one", tree(), ids=lambda one: one.__name__)
def test_each_error_is_of_one_of_the_five_classes_and_public(one):
    assert one.error_class in get_args(ErrorClass)
    assert one.__name__ in errors.__all__


@pytest.mark.parametrize("one", tree(), ids=lambda one: one.__name__)
def test_the_picture_at_the_top_shows_each_error(one):
    assert one.__name__ in errors.__doc__


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_error_is_found_by_its_code(code):
    found = with_code(code, "what happened")

    assert (found.code, str(found), found.advice) == (code, "what happened", "")


def test_a_code_that_is_not_ours_is_a_permanent_error():
    assert type(with_code("of_a_plugin", "x")) is PermanentError


def test_an_error_carries_what_a_person_or_a_retry_needs():
    assert ConnectorError("x", advice="do this").advice == "do this"
    assert RateLimited("x", retry_after_s=3).retry_after_s == 3
    assert TransientError("x").retry_after_s is None
    assert ResourceError("x", limit="memory=2 GiB").limit == "memory=2 GiB"
