# SPDX-License-Identifier: BSD-2-Clause
"""What a target's mappings must be: kept by the test, from the calls that it has the agent make."""
import collections

from memprov import PAGE, exact_report, smaps, span

# call: tells mappings of the same creator apart; 0 where growth may continue what was there.
Creator = collections.namedtuple("Creator", "origin tid call inherited")
Piece = collections.namedtuple("Piece", "start end creator name")


class Shadow:
    def __init__(self):
        self.pieces = []  # ascending
        self.pages = set()  # those resident, where `counted` says that we know
        self.calls = 0

    def copy(self, inherited):
        new = Shadow()
        new.calls = self.calls
        new.pages = set(self.pages)
        new.pieces = [p._replace(creator=p.creator._replace(inherited=inherited))
                      for p in self.pieces]
        return new

    def cut(self, start, end):
        """Takes [start, end) out; what it was, clipped."""
        kept, taken = [], []
        for p in self.pieces:
            lo, hi = max(p.start, start), min(p.end, end)
            if lo >= hi:
                kept.append(p)
                continue
            taken.append(p._replace(start=lo, end=hi))
            kept += [q for q in (p._replace(end=lo), p._replace(start=hi)) if q.start < q.end]
        self.pieces = sorted(kept)
        return taken

    def add(self, pieces):
        self.pieces = sorted(self.pieces + pieces)

    def mapped(self, start, size, tid, origin="mmap", name=None):
        self.unmapped(start, size)
        self.calls += 1
        call = 0 if origin in ("brk", "mremap") else self.calls
        self.add([Piece(start, start + size, Creator(origin, tid, call, False), name)])

    def unmapped(self, start, size):
        self.cut(start, start + size)
        self.forget_pages(start, size)

    def forget_pages(self, start, size):
        self.pages = {p for p in self.pages if not start <= p < start + size}

    def touched(self, start, size):
        self.pages |= set(range(start & -PAGE, start + size, PAGE))

    def named(self, start, size, name):
        self.add([p._replace(name=name) for p in self.cut(start, start + size)])

    def moved(self, old, old_size, new, new_size, tid, keep=False):
        kept = min(old_size, new_size)
        # What is added goes on where the old range ended, and is called as that.
        name = next((p.name for p in self.pieces if p.start < old + old_size <= p.end), None)
        if new == old:
            self.unmapped(old + kept, old_size - kept)
        else:
            self.unmapped(new, new_size)
            taken = self.cut(old, old + old_size)
            pages = {p for p in self.pages if old <= p < old + old_size}
            self.pages -= pages
            self.pages |= {p + new - old for p in pages if p < old + kept}
            if keep:
                self.add(taken)
            self.add([p._replace(start=p.start + new - old, end=min(p.end + new - old, new + kept))
                      for p in taken if p.start - old < kept])
        if new_size > kept:
            self.mapped(new + kept, new_size - kept, tid, "mremap", name)

    def only_what_is_mapped(self, pid):
        """After a call that failed half way."""
        reached = 0
        for vma in smaps(pid):
            self.unmapped(reached, vma.start - reached)
            reached = vma.end

    def check(self, daemon, pid, counted=None):
        """The report is smaps, and wherever we know the creator, it is the one. counted: a range
        of private memory whose every page we know."""
        report = exact_report(daemon, pid)
        pieces = list(self.pieces)
        reached = 0
        for region in sorted(report["regions"], key=span):
            start, end = span(region)
            inside = [p for p in pieces if p.start < end and p.end > start]
            assert region["origin"] != "unknown", region
            if not inside:
                continue
            reached = start
            for p in inside:
                assert p.start <= reached and (p.creator, p.name) == (inside[0].creator,
                                                                      inside[0].name), \
                    (region, inside)
                reached = p.end
            assert reached >= end, (region, inside)
            creator, name = inside[0].creator, inside[0].name
            assert (region["origin"], region["tid"], region["inherited"]) == \
                (creator.origin, creator.tid, creator.inherited), (region, inside)
            witnessed = creator.origin in ("mmap", "brk", "mremap", "shmat")
            assert (region["callsite"] is not None) == witnessed, region
            if name is not None or region["name_source"] in ("prctl", "none"):
                kind = "anon_shmem" if region["perms"][3] == "s" else "anon"
                expected = name and f"[{kind}: {name.decode()}]"
                assert region["name"] == expected, (region, inside)
            if counted and counted[0] <= start < counted[1]:
                pages = sum(start <= page < end for page in self.pages)
                assert region["rss"] == pages * PAGE, (region, inside)
        mapped = smaps(pid)
        for p in pieces:
            assert sum(max(0, min(p.end, v.end) - max(p.start, v.start)) for v in mapped) == \
                p.end - p.start, f"the test is wrong about {p}"
        return report
