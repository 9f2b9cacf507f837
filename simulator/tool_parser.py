"""A tool parser that fails: what vLLM's hermes parser logs then, and what is left of the call (nothing)."""

from collections.abc import AsyncIterator
from dataclasses import replace

from simulator.engine_client import Piece
from simulator.log import log

TRACE = (
    "\nTraceback (most recent call last):\n"
    '  File "vllm/tool_parsers/hermes_tool_parser.py", line {line}, in {function}\n'
    "json.decoder.JSONDecodeError: Expecting ',' delimiter: line 1 column 21 (char 20)"
)


async def failing_at_calls(pieces: AsyncIterator[Piece], streaming: bool) -> AsyncIterator[Piece]:
    """Swallow the tokens of calls. A stream logs one error per delta, since the parser tries again at each."""
    lost = False
    async for piece in pieces:
        calls = [channel in ("open", "call") for channel, _ in piece.tokens]
        lost = lost or any(calls)
        if streaming and any(calls):
            trace = TRACE.format(line=230, function="extract_tool_calls_streaming")
            log("ERROR", "hermes_tool_parser.py:273", "Error trying to handle streaming tool call." + trace)
        if not streaming and lost and piece.finish:
            trace = TRACE.format(line=91, function="extract_tool_calls")
            log("ERROR", "hermes_tool_parser.py:117", "Error in extracting tool call from response." + trace)
        yield replace(piece, tokens=[("markup", text) if call else (channel, text) for call, (channel, text) in
                                     zip(calls, piece.tokens, strict=True)])  # fmt: skip
