"""Hide the flags of a fork from a vLLM that does not know them; Python runs this before the program.

They stay in the process's own command line, in `/proc/PID/cmdline` and `sys.orig_argv`: there the stream's
middleware, and whoever looks at the process, sees them.
"""

import atexit
import sys

#: Flag -> how many values follow it.
FORK_FLAGS = {
    "--responses-compatibility-mode": 0,
    "--no-responses-compatibility-mode": 0,
    "--responses-ping-interval-seconds": 1,
    "--responses-tool-timeout": 1,
    "--responses-stream-buffer-max-bytes": 1,
    "--max-stream-event-bytes": 1,
}


def without_fork_flags(words: list[str]) -> list[str]:
    """The words of a command line that upstream vLLM knows; `--flag=value` is understood too."""
    kept = []
    following = 0
    for word in words:
        if following:
            following -= 1
        elif word.split("=", 1)[0] in FORK_FLAGS:
            following = 0 if "=" in word else FORK_FLAGS[word]
        else:
            kept.append(word)
    return kept


if any(word.split("=", 1)[0] == "--help" for word in sys.argv):
    # Its own help lists them, too.
    atexit.register(print, "options of the fork:\n  " + "\n  ".join(FORK_FLAGS))
sys.argv = without_fork_flags(sys.argv)
