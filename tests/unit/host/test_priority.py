"""The reading thread goes first, and only it, and only meanwhile."""

from __future__ import annotations

import os
import threading

import pytest

from streamdiag.host.priority import NICE, going_first


def _nice():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_thread_is_ordinary_again_afterwards():
    before = _nice()
    with pytest.raises(KeyError), going_first():
        raise KeyError
    assert _nice() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may prefer a thread")
def test_root_s_thread_goes_first_and_others_do_not():
    seen = []
    begin, done = threading.Event(), threading.Event()

    def other():
        begin.wait()
        seen.append(_nice())
        done.set()

    ordinary = _nice()
    threading.Thread(target=other, daemon=True).start()
    with going_first():
        first = _nice()
        begin.set()
        done.wait(5)
    if first != NICE:
        pytest.skip("root may not prefer a thread here")
    assert seen == [ordinary]


def test_where_it_is_not_permitted_nothing_happens(monkeypatch):
    def refused(*_arguments):
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refused)
    with going_first():
        pass
