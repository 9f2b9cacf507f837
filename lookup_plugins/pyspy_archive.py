"""py-spy, the program that reads the stacks of a Python process, compressed and in base64."""

from __future__ import annotations

import base64
import importlib.metadata
import lzma
from pathlib import Path

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

DOCUMENTATION = r"""
name: pyspy_archive
author: The streamdiag authors
short_description: py-spy, ready to travel to a host
description:
  - Compresses the program py-spy from the controller's own Python environment.
  - Hosts need not have py-spy installed, and nothing is written to their disks.
  - Empty, with a warning, when the environment has none. A stalled server is then described without its stacks.
"""

EXAMPLES = r"""
- name: Look closer at a stalled server
  vllm_stall_info:
    base_url: http://127.0.0.1:8000
    processes: "{{ target_found.target.processes.processes }}"
    httpx_archive: "{{ lookup('httpx_archive') }}"
    pyspy_archive: "{{ lookup('pyspy_archive') }}"
"""

RETURN = r"""
_raw:
  description: The program, compressed by xz, in base64. About 3 MB, or empty.
  type: list
  elements: str
"""

#: 0.7 s for 2.2 MB; the next better ratio that is worth a name (6) takes four times as long for a tenth less.
PRESET = 1


def find_program() -> Path | None:
    """The program of the distribution py-spy, None when that is not installed or holds none."""
    try:
        files = importlib.metadata.distribution("py-spy").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next(
        (Path(str(file.locate())) for file in files if file.parent.name == "bin" and file.stem == "py-spy"), None
    )


def build_archive() -> bytes:
    """The compressed program, ``b""`` when there is none."""
    program = find_program()
    return lzma.compress(program.read_bytes(), preset=PRESET) if program is not None and program.is_file() else b""


class LookupModule(LookupBase):
    """``lookup('pyspy_archive')`` -> the archive in base64."""

    def run(self, terms: list[str], variables: object = None, **kwargs: object) -> list[str]:
        archive = build_archive()
        if not archive:
            Display().warning("py-spy is not installed beside Ansible: stacks of stalled servers are not read")
        return [base64.b64encode(archive).decode("ascii")]
