"""`python -m simulator`: parse the command line, run the server, exit as vLLM would."""

import asyncio
import sys

from simulator.faults import describe
from simulator.options import parse
from simulator.server import serve


def main() -> None:
    options = parse(sys.argv[1:])
    if options.list_faults:
        print(describe())
        return
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
