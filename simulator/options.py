"""The command line: the simulator's own options, and every flag that vLLM 0.32 knows."""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from simulator.faults import CONDITIONS, FORK, apply
from simulator.settings import Settings

FLAGS = Path(__file__).with_name("vllm_flags.json")  # by arity; from `api_server --help` of 0.32.0
FORK_VALUES = (
    "--responses-ping-interval-seconds", "--responses-tool-timeout", "--responses-stream-buffer-max-bytes",
    "--max-stream-event-bytes",
)  # fmt: skip


@dataclass
class Options:
    """How to run: where to listen, the server without faults and the one with them, and when the faults apply."""

    host: str
    port: int
    ready_file: str | None
    healthy: Settings
    faulty: Settings
    condition: str
    fault_header: bool
    list_faults: bool
    argv: list[str]


def build_parser() -> argparse.ArgumentParser:
    """An unknown flag ends the process with a usage error and code 2, as it ends vLLM."""
    parser = argparse.ArgumentParser("simulator", allow_abbrev=False, argument_default=argparse.SUPPRESS)
    own = parser.add_argument_group("simulator")
    own.add_argument("--fault", action="append", metavar="NAME[=VALUE]", help="may be given several times")
    own.add_argument("--fault-when", choices=CONDITIONS, default="always", help="which requests the faults hit")
    own.add_argument(
        "--fault-header", action="store_true", help="a request may name its own faults in the header x-simulator-fault"
    )
    own.add_argument("--list-faults", action="store_true", help="show all faults and end")
    own.add_argument("--dialect", choices=("upstream", "fork"), default="upstream")
    own.add_argument("--seed", type=int, default=0, help="of the text, when the request has none")
    own.add_argument("--tokens-per-second", type=float)
    own.add_argument("--reply-tokens", type=int, help="length of a text answer")
    own.add_argument("--reasoning-tokens", type=int, help="length of the thought, with --reasoning-parser")
    own.add_argument("--no-tool-parser", action="store_true", help="as vLLM without --enable-auto-tool-choice")
    own.add_argument("--ready-file", help="the base URL is written to this file too")
    vllm = parser.add_argument_group("vLLM", "accepted as vLLM 0.32 accepts them; most change nothing")
    vllm.add_argument("model_tag", nargs="?")
    table = json.loads(FLAGS.read_text())
    for flag in table["switch"]:
        if flag != "--seed":
            vllm.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    for flag in table["value"]:
        if flag != "--seed":
            vllm.add_argument(flag, help=argparse.SUPPRESS)
    for flag in [*table["list"], *table["optional"]]:
        vllm.add_argument(flag, nargs="*", help=argparse.SUPPRESS)
    return parser


def parse(argv: list[str]) -> Options:
    parser = build_parser()
    if "fork" in argv or "--dialect=fork" in argv:
        fork = parser.add_argument_group("the fork's own")
        fork.add_argument("--responses-compatibility-mode", action=argparse.BooleanOptionalAction, default=True)
        for flag in FORK_VALUES:
            fork.add_argument(flag, type=float)
    if argv[:1] == ["serve"]:  # `vllm serve MODEL`
        argv = argv[1:]
    args = vars(parser.parse_args(argv))
    model = args.get("model") or args.get("model_tag") or "tiny"
    fork_dialect = args["dialect"] == "fork"
    settings = Settings(
        model=model,
        served_names=args.get("served_model_name") or [model],
        api_keys=[key for key in args.get("api_key") or [os.environ.get("VLLM_API_KEY", "")] if key],
        max_model_len=int(args.get("max_model_len", 32768)),
        max_num_seqs=int(args.get("max_num_seqs", 256)),
        stream_interval=int(args.get("stream_interval", 1)),
        tool_parser="no_tool_parser" not in args,
        reasoning_parser="reasoning_parser" in args,
        log_stats="disable_log_stats" not in args,
        log_requests="enable_log_requests" in args,
        track_load="enable_server_load_tracking" in args,
        dialect=args["dialect"],
        compatibility=fork_dialect and args["responses_compatibility_mode"],
        ping_interval=args.get("responses_ping_interval_seconds", 15.0) if fork_dialect else 0.0,
        seed=args["seed"],
    )
    for name in ("tokens_per_second", "reply_tokens", "reasoning_tokens"):
        if name in args:
            setattr(settings, name, args[name])
    faulty = settings.copy()
    try:
        for spec in args.get("fault", []):
            apply(spec, faulty)
            if spec.partition("=")[0] in FORK and not fork_dialect:
                raise ValueError(f"fault {spec!r} is the fork's: it needs --dialect fork")
    except ValueError as error:
        parser.error(str(error))
    return Options(
        host=args.get("host", "127.0.0.1"),
        port=int(args.get("port", 8000)),
        ready_file=args.get("ready_file"),
        healthy=settings,
        faulty=faulty,
        condition=args["fault_when"],
        fault_header="fault_header" in args,
        list_faults="list_faults" in args,
        argv=argv,
    )
