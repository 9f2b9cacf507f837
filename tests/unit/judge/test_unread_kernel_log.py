"""A GPU row without the kernel log has not seen Xid lines, so it cannot pass."""

from __future__ import annotations

from streamdiag.judge.checks.host import gpu_in_use
from streamdiag.judge.facts import gather
from tests.unit.judge.bundles import bundle


def test_gpus_alone_do_not_pass():
    facts = gather(bundle())
    assert gpu_in_use(facts).status == "pass"
    blind = facts._replace(logs=facts.logs._replace(kernel={}, kernel_unreadable="not readable as guest"))
    finding = gpu_in_use(blind)
    assert finding.status == "skip"
    assert "not readable as guest" in finding.reason
