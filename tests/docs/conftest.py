"""The stage on which the documents are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.stage import Stage, stage

pytest.register_assert_rewrite("tests.docs.snippets")


@pytest.fixture(scope="session")
def tried_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, for all tests of a run."""
    with stage(tmp_path_factory.mktemp("docs")) as there:
        yield there
