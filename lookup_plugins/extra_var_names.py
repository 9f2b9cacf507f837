"""The names of the variables given with ``-e``: a misspelt one is an error."""

from __future__ import annotations

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

DOCUMENTATION = r"""
name: extra_var_names
author: The streamdiag authors
short_description: Names of the extra variables of this run
description:
  - Ansible accepts any extra variable, so a misspelt one passes silently. This lookup makes them checkable.
"""

EXAMPLES = r"""
- name: Show what was given
  ansible.builtin.debug:
    msg: "{{ query('extra_var_names') }}"
"""

RETURN = r"""
_raw:
  description: The names, sorted.
  type: list
  elements: str
"""


class LookupModule(LookupBase):
    """``query('extra_var_names')`` -> the names given with ``-e``, files included."""

    def run(self, terms: list[str], variables: object = None, **kwargs: object) -> list[str]:
        return sorted(load_extra_vars(loader=self._loader or DataLoader()))
