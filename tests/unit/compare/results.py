"""Results to compare, made of judged bundles, fresh on every call."""

from __future__ import annotations

import copy

from streamdiag.judge.assess import assess
from tests.unit.judge.bundles import bundle, stalled, stream

COMPLETED, STALLED = "completed", "stalled"


def _row(case, outcome):
    sent = stream(case) if outcome == COMPLETED else stalled(case)
    return copy.deepcopy(assess(bundle(sent))["streams"][0])


_ROWS = {outcome: _row("simple", outcome) for outcome in (COMPLETED, STALLED)}
_PLAIN = assess(bundle(stream()))


def row(name, outcome=COMPLETED, **more):
    """One stream of a case; ``public-gzip`` is a variant of a case."""
    case, _dash, variant = name.partition("-")
    return {**copy.deepcopy(_ROWS[outcome]), "case": case, "variant": variant, **more}


def result(run_id="before", skipped=(), **arms):
    """One run. ``arms``: case -> its streams, one letter each: ``"xxooo"`` are two that hang and three that end.

    Instead of letters a list of rows.
    """
    sent = {name.replace("_", "-"): arm for name, arm in arms.items()}
    found = copy.deepcopy(_PLAIN)
    found.update(run_id=run_id, streams=[], repeats=[])
    found["skipped_cases"] = [{"case": case, "reason": reason} for case, reason in dict(skipped).items()]
    for name, arm in sent.items():
        rows = [row(name, STALLED if one == "x" else COMPLETED) if isinstance(one, str) else one for one in arm]
        found["streams"] += rows[:1]
        found["repeats"] += [{**one, "repeat": repeat} for repeat, one in enumerate(rows[1:], 2)]
    return found


def timed(name, seconds):
    """Streams that came to their end after so many seconds each."""
    return [row(name, duration=one) for one in seconds]
