"""The network between a client and the host: the host itself gets its stream whole, a client elsewhere does not."""

from __future__ import annotations

from ..facts import Facts, StreamFacts
from ..streams import ENDED, how_it_ended
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out


def network_stall(facts: Facts) -> Claim:
    """Through the same public URL the host gets the stream whole, and the controller does not."""
    afar = [s for s in facts.public if s.afar]
    if not afar:
        return not_tested(facts.run.get("skipped_cases", {}).get("public", "no stream was sent from elsewhere"))
    bad = [s for s in afar if not s.completed]
    if not bad:
        return ruled_out("the controller gets it whole too")
    sent = bad[0]
    here = facts.streams.get(sent.name.replace("-controller", ""))
    if here is None or not here.completed:
        return ruled_out("the host itself does not get it whole through the public URL")
    words = f"{sent.name}: {_how(sent)}; {here.name}, from the host itself, came whole"
    about = names(bad)
    if sent.outcome not in ("stalled", "truncated"):
        return Claim(POSSIBLE, words + "; the controller may just not be let in", about=about)
    if not facts.well_after:
        return Claim(POSSIBLE, words + "; but the server itself was not well afterwards", about=about)
    summary = f"The network between this controller and {facts.run['host']} loses the stream: {words}"
    state, strength = (CONFIRMED, "high") if sent.stalled else (LIKELY, "medium")
    return Claim(state, words, summary, strength, about=about)


def _how(sent: StreamFacts) -> str:
    if sent.stalled and sent.silence is not None:
        return f"{sent.silence.seconds:.0f} s of silence after {sent.silence.after}"
    return f"it {ENDED[sent.outcome]} ({how_it_ended(sent.stream)})"


RULES = (
    Rule(
        "network_stall",
        None,
        network_stall,
        ("symptom-silence", "symptom-accepted"),
        ("step-1",),
        "Look for what drops packets of long connections between clients and the host: firewalls, MTU, load balancers.",
    ),
)
