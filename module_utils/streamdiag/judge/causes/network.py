"""The network between a client and the host: the host itself gets its stream whole, a client elsewhere does not."""

from __future__ import annotations

from ...words import Words, as_words, say
from ..facts import Facts, StreamFacts
from ..streams import ENDED, how_it_ended
from .remedy import check
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out


def network_stall(facts: Facts) -> Claim:
    """Through the same public URL the host gets the stream whole, and the controller does not."""
    afar = [s for s in facts.public if s.afar]
    if not afar:
        skipped = facts.run.get("skipped_cases", {})
        return not_tested(as_words(skipped.get("public", say("no stream was sent from elsewhere"))))
    bad = [s for s in afar if not s.completed]
    if not bad:
        return ruled_out(say("the controller gets it whole too"))
    sent = bad[0]
    here = facts.streams.get(sent.name.replace("-controller", ""))
    if here is None or not here.completed:
        return ruled_out(say("the host itself does not get it whole through the public URL"))
    words = say(
        "{case}: {how}; {here}, from the host itself, came whole", case=sent.name, how=_how(sent), here=here.name
    )
    about = names(bad)
    if sent.outcome not in ("stalled", "truncated"):
        return Claim(POSSIBLE, say("{seen}; the controller may just not be let in", seen=words), about=about)
    if not facts.well_after:
        return Claim(POSSIBLE, say("{seen}; but the server itself was not well afterwards", seen=words), about=about)
    summary = say(
        "The network between this controller and {host} loses the stream: {seen}", host=facts.run["host"], seen=words
    )
    state, strength = (CONFIRMED, "high") if sent.stalled else (LIKELY, "medium")
    return Claim(state, words, summary, strength, about=about)


def _how(sent: StreamFacts) -> Words:
    if sent.stalled and sent.silence is not None:
        seconds, after = sent.silence.seconds, sent.silence.after
        return say("{seconds:.0f} s of silence after {after}", seconds=seconds, after=after)
    return say("it {ended} ({how})", ended=ENDED[sent.outcome], how=how_it_ended(sent.stream))


RULES = (
    Rule(
        "network_stall",
        None,
        network_stall,
        ("symptom-silence", "symptom-accepted"),
        ("step-1",),
        (
            say(
                "Look for what drops packets of long connections between clients and the host: "
                "firewalls, MTU, load balancers."
            ),
            check,
        ),
    ),
)
