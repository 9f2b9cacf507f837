"""Results of many hosts: plain JSON data, fresh on every call, made of those of real runs."""

from __future__ import annotations

import copy
import functools
import json

from streamdiag.judge.assess import assess
from tests.unit.judge.bundles import real

VLLM = ["/opt/vllm/bin/vllm", "serve", "/opt/models/tiny", "--served-model-name", "tiny", "--enforce-eager"]


@functools.lru_cache(maxsize=None)
def _assessed(condition):
    return json.dumps(assess(real(condition)))


def host(name, condition="healthy", options=("--max-model-len", "32768"), **target):
    """One host. ``options``: of its command line, behind ``VLLM``; None for a command line that is not known."""
    found = json.loads(_assessed(condition))
    found["host"] = name
    argv = [] if options is None else [*VLLM, *options]
    found["target"].update({"compat_mode": "on", "argv": argv, **target})
    return copy.deepcopy(found)


def names(count, first=40):
    return [f"gpu{first + n}" for n in range(count)]
