"""Record a running server: `python tests/simulator/record.py --port 8100 --group plain [--only NAME ...]`."""

import argparse
from pathlib import Path

from sim_cases import GROUPS
from sim_exchange import exchange

RECORDINGS = Path(__file__).parent / "recordings"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--group", choices=GROUPS, required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--out", type=Path, default=RECORDINGS)
    args = parser.parse_args()
    cases, flags = GROUPS[args.group]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, request in cases.items():
        if args.only and name not in args.only:
            continue
        result = exchange(args.host, args.port, request)
        result.save(args.out / f"{name}.jsonl", request, {"server": "vLLM 0.32.0", "flags": flags})
        print(f"{name:30} {result.status if result.reads else '-'} {result.end} {len(result.raw)} bytes")


if __name__ == "__main__":
    main()
