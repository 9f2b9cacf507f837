"""A stand-in vLLM server with selectable faults: see README.md in this folder."""

VERSION = "0.32.0"  # the vLLM release whose behaviour was recorded and is imitated
