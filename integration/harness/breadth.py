"""How much of what has no end is tried: all combinations or a sample of them, how many seeds, how many kills.

INTERCEPTOR_LONG=1 (`make test-all`) takes everything and more seeds. INTERCEPTOR_SEEDS and INTERCEPTOR_KILLS say how many, INTERCEPTOR_SEED
repeats one. INTERCEPTOR_SAMPLE, a number, chooses another sample."""

import os
import random

LONG = os.environ.get("INTERCEPTOR_LONG", "") not in ("", "0", "false")
KILLS = int(os.environ.get("INTERCEPTOR_KILLS", "25" if LONG else "5"))
ONE_SEED = os.environ.get("INTERCEPTOR_SEED")


def seeds(few, first=0):
    """That many seeds, ten times as many in a long run, or the one that was asked for."""
    if ONE_SEED is not None:
        return [int(ONE_SEED)]
    return list(range(first, first + int(os.environ.get("INTERCEPTOR_SEEDS", 10 * few if LONG else few))))


def sample(cases, features):
    """As few of the cases as have all features of all of them; `features` maps a case to a set. All of them in a long run."""
    cases = list(cases)
    if LONG:
        return cases
    left = set().union(*map(features, cases))
    order = cases.copy()
    random.Random(os.environ.get("INTERCEPTOR_SAMPLE", "1")).shuffle(order)
    chosen = set()
    while left:
        best = max(order, key=lambda case: len(features(case) & left))
        left -= features(best)
        chosen.add(best)
    return [case for case in cases if case in chosen]
