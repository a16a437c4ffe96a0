# SPDX-License-Identifier: BSD-2-Clause
"""Tracers that are measured side by side: each is started, measured and stopped by turns, A B C … A B C …,
so that what the machine does meanwhile meets all of them; of the rounds the median counts."""
import contextlib
import statistics
import sys


class DoesNotRun(Exception):
    """A peer that does not run on this machine, and why not."""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    """What was measured: by peer, by figure, one value for each round."""

    def __init__(self):
        self.values = {}
        self.refused = {}  # peer: why it does not run

    def add(self, peer, figures):
        for figure, value in figures.items():
            self.values.setdefault(peer, {}).setdefault(figure, []).append(value)

    def peers(self):
        return [peer for peer in self.values if peer not in self.refused]

    def median(self, peer, figure):
        return statistics.median(self.values[peer][figure])

    def against(self, peer, base, figure, compare):
        """The median of compare(peer's, base's), round by round."""
        return statistics.median(map(compare, self.values[peer][figure],
                                     self.values[base][figure]))

    def spread(self, peer, figure):
        """How far the rounds lie apart: (largest - smallest) / median."""
        values = self.values[peer][figure]
        return (max(values) - min(values)) / statistics.median(values)


def contest(peers, rounds, measure):
    """measure(prefix) gives {figure: value}; prefix goes before the command line of what is measured."""
    results = Results()
    for number in range(rounds):
        for peer in peers:
            if peer.name in results.refused:
                continue
            say(f"  round {number + 1} of {rounds}: {peer.name}")
            try:
                with contextlib.ExitStack() as stack:
                    results.add(peer.name, measure(peer.start(stack)))
            except DoesNotRun as reason:
                results.refused[peer.name] = str(reason)
                say(f"  {peer.name} does not run here: {reason}")
    return results
