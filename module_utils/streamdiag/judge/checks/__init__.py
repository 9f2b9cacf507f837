"""The rows of the checklist, one file per section. The order here is the order of every report."""

from __future__ import annotations

from typing import Dict, List

from ..facts import Facts
from ..result import Check
from . import fixes, host, steps, symptoms
from .row import Row, judge_row

#: Rows that are judged from evidence alone. "Possible causes" stands between the first two sections in a report,
#: see ``possible_causes``, and is judged from the causes.
SYMPTOMS: List[Row] = list(symptoms.ROWS)
REST: List[Row] = list(steps.ROWS) + list(fixes.ROWS) + list(host.ROWS)


def judge_rows(facts: Facts) -> Dict[str, Check]:
    """Row id -> check, for every row but those of "Possible causes"."""
    return {row.id: judge_row(row, facts) for row in SYMPTOMS + REST}
