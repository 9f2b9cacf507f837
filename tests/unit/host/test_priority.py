"""The reading thread goes first, and only it, and only meanwhile."""

from __future__ import annotations

import os
import threading

import pytest

from streamdiag.host.priority import going_first


def test_the_thread_is_ordinary_again_afterwards():
    before = os.sched_getscheduler(0)
    with pytest.raises(KeyError), going_first():
        raise KeyError
    assert os.sched_getscheduler(0) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a thread under SCHED_FIFO")
def test_root_s_thread_goes_first_and_others_do_not():
    seen = []
    with going_first():
        if os.sched_getscheduler(0) != os.SCHED_FIFO:
            pytest.skip("SCHED_FIFO is not permitted to root here")
        # A thread inherits the policy of the one that starts it, so one that was there before is asked.
        seen.append(os.sched_getscheduler(os.getpid()))
    other = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
    other.start()
    other.join()
    assert seen == [os.SCHED_FIFO, os.SCHED_OTHER]


def test_where_it_is_not_permitted_nothing_happens(monkeypatch):
    def refused(*_arguments):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    with going_first():
        pass
