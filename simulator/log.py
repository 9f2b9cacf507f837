"""Log lines on stderr with the prefixes and formats of vLLM 0.32 and of uvicorn."""

import os
import sys
import time
from typing import Any

FORMATTER = "uvicorn.logging.DefaultFormatter"
UVICORN_LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "default": {"()": FORMATTER, "fmt": "%(levelprefix)s %(message)s", "use_colors": False},
        "access": {
            "()": "uvicorn.logging.AccessFormatter",
            "fmt": '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s',
            "use_colors": False,
        },
    },
    # vLLM's access lines go to stdout; here stdout carries the base URL and nothing else
    "handlers": {
        "default": {"formatter": "default", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
        "access": {"formatter": "access", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
    },
    "loggers": {
        "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
        "uvicorn.error": {"level": "INFO"},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}


def log(level: str, where: str, message: str, process: str = "APIServer") -> None:
    """`(APIServer pid=1) INFO 11-22 19:13:46 [loggers.py:335] …`, the prefix repeated on every line of the message."""
    prefix = f"({process} pid={os.getpid()}) {level} {time.strftime('%m-%d %H:%M:%S')} [{where}] "
    sys.stderr.write("".join(f"{prefix}{line}\n" for line in message.split("\n")))
    sys.stderr.flush()
