"""After all entries: a rule that never decides anything is dead weight. It is removed, or gets its fault."""

from __future__ import annotations

import pytest

from streamdiag.judge.causes import ORDER
from tests.accuracy.catalogue import load
from tests.accuracy.matrix import FAULTS, Matrix

pytestmark = pytest.mark.accuracy


def test_every_rule_decides_an_entry(matrix: Matrix) -> None:
    """Rules whose entries were not run (no real host here, or -k) are skipped by name."""
    decided = {r.cause for r in matrix.of(FAULTS)}
    not_run = set(matrix.not_run())
    open_ = {entry.cause for entry in load().entries if entry.name in not_run}
    never = [id_ for id_ in ORDER if id_ not in decided]
    assert [id_ for id_ in never if id_ not in open_] == []
    if never:
        pytest.skip(f"their entries were not run: {', '.join(never)}")
