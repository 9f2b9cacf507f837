"""Why does a vLLM stream hang: evidence (``bundle``), how it is gathered (``host``), what it means (``judge``)."""

__version__ = "0.1.0"
