"""Which options an installed program knows, by its own help."""

from __future__ import annotations

import os
import sys

from streamdiag.host.changing.help_text import Program, ask, options_in, unknown, without_arguments

#: As vLLM 0.32 prints it.
HELP = """usage: api_server.py [-h] [--headless]
                     [--enable-log-requests | --no-enable-log-requests]
  --enable-log-requests, --no-enable-log-requests
                        Enable logging, see also --max-log-len. (default: False)
  --max-num-seqs MAX_NUM_SEQS
  --compilation-config COMPILATION_CONFIG, -cc COMPILATION_CONFIG
"""


def test_options():
    names = options_in(HELP)
    assert {"headless", "no-enable-log-requests", "max-num-seqs", "compilation-config"} <= set(names)
    words = ["--max_num_seqs=4", "--compilation-config.mode", "--no-such", "-cc", "--max-num"]
    assert unknown(words, names) == ["--no-such", "--max-num"]


def test_the_program_without_its_arguments():
    assert without_arguments(["/p", "-m", "vllm.entrypoints.openai.api_server", "--port", "1"]) == [
        *("/p", "-m", "vllm.entrypoints.openai.api_server"),
    ]
    assert without_arguments(["/v/python", "/v/bin/vllm", "serve", "m"]) == ["/v/python", "/v/bin/vllm", "serve"]
    assert without_arguments(["/opt/x"]) is None


def answering(tmp_path, code):
    script = tmp_path / "server.py"
    script.write_text("import os, sys\n" + code, encoding="utf-8")
    return Program([sys.executable, str(script)], {"A": "1", "PATH": os.environ["PATH"]}, str(tmp_path), None, None)


def test_asking(tmp_path):
    listing = "print(' '.join(f'--option-{n}' for n in range(30)), os.environ['A'], os.getcwd())\n"
    new = answering(tmp_path, f"assert sys.argv[1] == '--help=all'\n{listing}")
    assert "option-29" in (ask(new).options or [])
    old = answering(tmp_path, f"sys.exit(2) if sys.argv[1] != '--help' else None\n{listing}")
    assert "option-29" in (ask(old).options or [])
    grouped = answering(tmp_path, "print('--help')\n")
    assert ask(grouped).options is None and "ended with 0" in ask(grouped).reason
    hanging = answering(tmp_path, "import time\ntime.sleep(60)\n")
    assert "did not end within 0 s" in ask(hanging, patience=0.2).reason
    assert ask(Program(["/nonexistent"], {}, "/", None, None)).options is None
