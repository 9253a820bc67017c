from __future__ import annotations

import pytest

from tests.testing.fake_drive.asking import Asking


@pytest.fixture
def ask() -> Asking:
    return Asking()
