"""The HTTP client that travels to the host, as one zip of pure Python packages in base64."""

from __future__ import annotations

import base64
import importlib.metadata
import io
import zipfile

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: httpx_archive
author: The streamdiag authors
short_description: httpx and its needs, ready to travel to a host
description:
  - Packs httpx and what it needs from the controller's own Python environment into one zip archive.
  - Hosts need not have httpx installed, and nothing is written to their disks.
  - The pins in C(requirements.txt) run on Python 3.8 to 3.13.
"""

EXAMPLES = r"""
- name: Probe with the controller's own httpx
  vllm_stream_probe:
    httpx_archive: "{{ lookup('httpx_archive') }}"
"""

RETURN = r"""
_raw:
  description: The zip archive in base64, about 0.6 MB.
  type: list
  elements: str
"""

DISTRIBUTIONS = (
    "httpx",
    "httpcore",
    "h11",
    "anyio",
    "sniffio",
    "idna",
    "certifi",
    "typing-extensions",
    "exceptiongroup",
)
#: A fixed time stamp: the same packages make the same archive.
EPOCH = (1980, 1, 1, 0, 0, 0)


def build_archive() -> bytes:
    """Zip the Python files of DISTRIBUTIONS. Raises AnsibleError when one of them is not installed here."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in DISTRIBUTIONS:
            try:
                files = importlib.metadata.distribution(name).files or []
            except importlib.metadata.PackageNotFoundError as error:
                raise AnsibleError(
                    f"{name} is not installed for {importlib.metadata.__name__} of the controller's Python: "
                    "run 'make setup', or 'pip install -r requirements.txt' for the Python that runs ansible-playbook"
                ) from error
            for file in sorted(files):
                if file.suffix == ".py" and ".." not in file.parts:
                    info = zipfile.ZipInfo(str(file), EPOCH)
                    info.compress_type = zipfile.ZIP_DEFLATED
                    bundle.writestr(info, file.read_binary())
    return archive.getvalue()


class LookupModule(LookupBase):
    """``lookup('httpx_archive')`` -> the archive in base64."""

    def run(self, terms: list[str], variables: object = None, **kwargs: object) -> list[str]:
        return [base64.b64encode(build_archive()).decode("ascii")]
