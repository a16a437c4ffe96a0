# SPDX-License-Identifier: BSD-2-Clause
"""The ledger against the kernel: after each step the report's regions are the VMAs of smaps, and
each has the origin and the thread that made it."""
import os
import random

import pytest

from memprov import (Agent, Daemon, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, MIB,
                     MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE, Refused, Target,
                     WORKLOADS, check_sums, exact_report, region_at, smaps, span, until)
from shadow import Shadow

FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED


class Stage:
    """An agent, its shadow, and a check after each step."""

    def __init__(self, daemon, agent):
        self.daemon, self.agent, self.shadow = daemon, agent, Shadow()
        self.heap_known = False

    def check(self, pid=None):
        return self.shadow.check(self.daemon, pid or self.agent.pid)

    def tid(self, by):
        return by.tid if by else self.agent.pid

    def map(self, size, at=0, flags=MAP_PRIVATE | MAP_ANONYMOUS, by=None, **more):
        start = self.agent.map(size, at=at, flags=flags, by=by, **more)
        self.shadow.mapped(start, -(-size // PAGE) * PAGE, self.tid(by))
        return start

    def unmap(self, start, size, by=None):
        self.agent.call("munmap", start, size, by=by)
        self.shadow.unmapped(start, -(-size // PAGE) * PAGE)

    def remap(self, old, old_size, new_size, flags=MREMAP_MAYMOVE, to=0, by=None):
        new = self.agent.call("mremap", old, old_size, new_size, flags, to, by=by)
        self.shadow.moved(old, old_size, new, new_size, self.tid(by),
                          keep=bool(flags & MREMAP_DONTUNMAP))
        return new

    def brk(self, end, by=None):
        """The C library may have made a heap for itself before: the same creation goes on."""
        old = self.agent.call("brk", 0)
        if not self.heap_known:
            for vma in smaps(self.agent.pid):
                if vma.name == "[heap]":
                    self.shadow.mapped(vma.start, vma.end - vma.start, self.agent.pid, "brk")
            self.heap_known = True
        new = self.agent.call("brk", end, by=by)
        assert new == end
        old, new = -(-old // PAGE) * PAGE, -(-new // PAGE) * PAGE
        if new > old:
            self.shadow.mapped(old, new - old, self.tid(by), "brk")
        elif new < old:
            self.shadow.unmapped(new, old - new)


@pytest.fixture
def stage(daemon, agent):
    return Stage(daemon, agent)


def unmap_the_middle(agent, worker):
    at = agent.map(8 * MIB)
    agent.call("munmap", at + MIB, 2 * MIB, by=worker)


def detach(agent, worker):
    segment = agent.call("shmget", 0, MIB, 0o1600)
    at = agent.call("shmat", segment, 0, 0)
    agent.call("shmctl", segment, 0, 0)
    agent.call("shmdt", at, by=worker)


def shrink_the_heap(agent, worker):
    start = agent.call("brk", 0)
    agent.call("brk", start + MIB)
    agent.call("brk", start + PAGE, by=worker)


def shrink(agent, worker):
    agent.call("mremap", agent.map(8 * MIB), 8 * MIB, MIB, 0, by=worker)


def move(agent, worker):
    at, to = agent.map(MIB), agent.map(8 * MIB)
    agent.call("mremap", at, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to, by=worker)


def name_a_hole(agent, worker):
    at = agent.map(MIB)
    agent.call("munmap", at, MIB)
    agent.name(at, MIB, b"nothing is there")


def run_another_program(agent, worker):
    agent.map(8 * MIB)
    agent.tell(f"exec :{os.path.join(WORKLOADS, 'agent').encode().hex()}00")
    assert agent.line() == "ready"


@pytest.mark.parametrize("change", [unmap_the_middle, detach, shrink_the_heap, shrink, move,
                                    name_a_hole, run_another_program], ids=lambda f: f.__name__)
def test_the_ledger_needs_no_healing(daemon, change):
    """A report corrects the ledger from smaps, which hides that it was wrong; but it is counted.
    Others on the machine may be healed meanwhile, so one quiet time is enough."""
    stale = 'memprov_resyncs_total{cause="stale_range"}'
    for _ in range(8):
        with Agent() as agent:
            worker = agent.thread()
            daemon.report(agent.pid)
            before = daemon.metrics()[stale]
            change(agent, worker)
            report = daemon.report(agent.pid)
            if daemon.metrics()[stale] == before:
                assert report["coverage"]["unknown"] == 0
                return
    raise AssertionError("the ledger had to be corrected every time")


def test_map_fixed_over_the_middle(stage):
    worker = stage.agent.thread()
    at = stage.map(8 * MIB)
    stage.check()
    stage.agent.call("fill", at, 8 * MIB, 1)
    stage.map(2 * MIB, at=at + 3 * MIB, flags=FIXED, by=worker)
    stage.check()
    stage.map(PAGE, at=at, flags=FIXED, by=worker)
    stage.map(5000, at=at + 8 * MIB - 2 * PAGE, flags=FIXED, by=worker)
    stage.check()
    stage.map(8 * MIB, at=at, flags=FIXED)
    report = stage.check()
    assert span(region_at(report, at)) == (at, at + 8 * MIB)


def test_munmap_in_the_middle(stage):
    at = stage.map(8 * MIB)
    stage.agent.call("fill", at, 8 * MIB, 1)
    stage.unmap(at + 2 * MIB, MIB)
    stage.check()
    stage.unmap(at + 5 * MIB, 100)  # rounded up to a page
    stage.check()
    stage.unmap(at, PAGE)
    stage.unmap(at + 8 * MIB - PAGE, PAGE)
    stage.check()
    stage.unmap(at, 8 * MIB)  # holes and all
    stage.check()
    with pytest.raises(Refused):
        stage.agent.call("munmap", at + 1, PAGE)
    stage.check()


def test_a_munmap_that_fails_is_healed(stage):
    """Recorded before it is done: memprov cannot know that the kernel will refuse it."""
    at = stage.map(4 * MIB)
    with pytest.raises(Refused):
        stage.agent.call("munmap", at, -PAGE)
    report = exact_report(stage.daemon, stage.agent.pid)
    region = region_at(report, at)
    assert region["origin"] in ("mmap", "unknown")
    assert region["tid"] in (stage.agent.pid, None)
    new = stage.map(4 * MIB)
    assert region_at(exact_report(stage.daemon, stage.agent.pid), new)["tid"] == stage.agent.pid


def test_mremap(stage):
    worker = stage.agent.thread()
    stage.agent.call("prctl", 41, 1)  # PR_SET_THP_DISABLE: pages are counted
    at = stage.map(8 * MIB)
    stage.agent.call("fill", at, 3 * MIB, 1)
    # shrinks in place
    stage.remap(at, 8 * MIB, 6 * MIB, 0)
    stage.check()
    # grows in place, by another
    grown = stage.remap(at, 6 * MIB, 7 * MIB, 0, by=worker)
    assert grown == at
    report = stage.check()
    assert region_at(report, at + 6 * MIB)["origin"] == "mremap"
    assert region_at(report, at + 6 * MIB)["tid"] == worker.tid
    assert region_at(report, at)["rss"] == 3 * MIB
    # moves to a place that it says, where something was
    target = stage.map(16 * MIB)
    stage.remap(at, 6 * MIB, 6 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, target + 4 * MIB)
    report = stage.check()
    assert region_at(report, target + 4 * MIB)["rss"] == 3 * MIB
    # grows, and has to move
    stage.map(PAGE, at=target + 10 * MIB, flags=FIXED, by=worker)
    moved = stage.remap(target + 4 * MIB, 6 * MIB, 64 * MIB)
    assert moved != target + 4 * MIB
    stage.check()
    # moves and shrinks
    stage.remap(moved, 64 * MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, target)
    report = stage.check()
    assert region_at(report, target)["rss"] == MIB
    # a part of a mapping
    stage.remap(target, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 12 * MIB, by=worker)
    report = stage.check()
    assert region_at(report, target + 12 * MIB)["rss"] == PAGE
    # moves its pages and stays
    left = stage.map(2 * MIB)
    stage.agent.call("fill", left, 2 * MIB, 1)
    right = stage.remap(left, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, by=worker)
    report = stage.check()
    assert region_at(report, left)["rss"] == 0
    assert region_at(report, right)["rss"] == 2 * MIB
    assert region_at(report, right)["tid"] == stage.agent.pid
    # fails: nothing has changed
    with pytest.raises(Refused):
        stage.agent.call("mremap", right, 2 * MIB, 1 << 46, MREMAP_MAYMOVE)
    with pytest.raises(Refused):
        stage.agent.call("mremap", right + 1, 2 * MIB, MIB, MREMAP_MAYMOVE)
    stage.check()


def test_a_second_view_of_shared_memory(stage):
    """mremap with an old length of 0."""
    at = stage.map(MIB, flags=MAP_SHARED | MAP_ANONYMOUS)
    stage.agent.call("fill", at, 4 * PAGE, 1)
    new = stage.agent.call("mremap", at, 0, MIB, MREMAP_MAYMOVE)
    stage.shadow.mapped(new, MIB, stage.agent.pid, "mremap")
    stage.check()


def test_brk(stage):
    worker = stage.agent.thread()
    start = stage.agent.call("brk", 0)
    stage.check()
    stage.brk(start + 4 * MIB)
    stage.agent.call("fill", start, 4 * MIB, 1)
    report = stage.check()
    assert region_at(report, start + MIB)["name"] == "[heap]"
    assert region_at(report, start + MIB)["name_source"] == "kernel"
    assert report["breakdown"]["runtime"]["heap"] >= 4 * MIB
    stage.brk(start + 6 * MIB + 123, by=worker)
    stage.check()
    stage.brk(start + 6 * MIB + 200, by=worker)  # within the page
    stage.check()
    stage.brk(start + 3 * MIB + 1)
    stage.check()
    stage.brk(start + 5 * MIB, by=worker)
    report = stage.check()
    assert region_at(report, start + 4 * MIB)["tid"] == worker.tid
    stage.brk(start)
    stage.check()
    stage.brk(start + MIB, by=worker)
    stage.check()


def test_system_v_shared_memory(stage):
    worker = stage.agent.thread()
    segment = stage.agent.call("shmget", 0, 3 * MIB + 100, 0o1600)
    try:
        first = stage.agent.call("shmat", segment, 0, 0)
        stage.shadow.mapped(first, 3 * MIB + PAGE, stage.agent.pid, "shmat")
        stage.agent.call("fill", first, MIB, 1)
        stage.check()
        second = stage.agent.call("shmat", segment, 0, 0o10000, by=worker)
        stage.shadow.mapped(second, 3 * MIB + PAGE, worker.tid, "shmat")
        stage.check()
        # A hole in it; then shmdt takes both halves.
        stage.unmap(first + MIB, MIB)
        stage.check()
        stage.agent.call("shmdt", first)
        stage.shadow.unmapped(first, 3 * MIB + PAGE)
        report = stage.check()
        assert region_at(report, second)["origin"] == "shmat"
        stage.agent.call("shmdt", second, by=worker)
        stage.shadow.unmapped(second, 3 * MIB + PAGE)
        stage.check()
        with pytest.raises(Refused):
            stage.agent.call("shmdt", second)
    finally:
        stage.agent.call("shmctl", segment, 0, 0)


def test_fork(stage):
    """The child has what the parent had, and says so; from then on each goes its own way."""
    agent, daemon = stage.agent, stage.daemon
    start = agent.call("brk", 0)
    stage.brk(start + MIB)
    at = stage.map(8 * MIB)
    agent.name(at, MIB, b"of the parent")
    stage.shadow.named(at, MIB, b"of the parent")
    agent.call("fill", at, 2 * MIB, 1)
    child = agent.fork()
    theirs = stage.shadow.copy(inherited=True)
    report = theirs.check(daemon, child.pid)
    assert report["tracing"]["state"] == "complete"
    assert region_at(report, at)["thread"] == "agent"
    stage.check()

    new = agent.map(4 * MIB, by=child)
    theirs.mapped(new, 4 * MIB, child.pid)
    agent.call("munmap", at + 4 * MIB, MIB, by=child)
    theirs.unmapped(at + 4 * MIB, MIB)
    agent.name(at, MIB, b"of the child", by=child)
    theirs.named(at, MIB, b"of the child")
    agent.call("brk", start + 2 * MIB, by=child)
    theirs.mapped(start + MIB, MIB, child.pid, "brk")
    stage.unmap(at + 6 * MIB, MIB)
    stage.map(MIB)
    theirs.check(daemon, child.pid)
    stage.check()

    # A child of the child, without an exec in between.
    agent.call("fork", by=child)
    # its answer is the pid; the worker's number is the child's own count
    agent.call("kill", child.pid, 9)
    stage.check()


def test_a_fork_of_a_fork(stage):
    at = stage.map(4 * MIB)
    child = stage.agent.fork()
    new = stage.agent.map(MIB, by=child)
    grandchild = stage.agent.call("fork", by=child)
    theirs = stage.shadow.copy(inherited=True)
    theirs.mapped(new, MIB, child.pid)
    theirs.check(stage.daemon, child.pid)
    its = theirs.copy(inherited=True)
    report = its.check(stage.daemon, grandchild)
    assert region_at(report, at)["tid"] == stage.agent.pid
    assert region_at(report, new)["tid"] == child.pid


@pytest.mark.parametrize("how", ["vfork", "spawn"])
def test_a_child_that_shares_the_map_until_its_exec(stage, how):
    at = stage.map(4 * MIB)
    stage.agent.name(at, 4 * MIB, b"of the parent")
    stage.shadow.named(at, 4 * MIB, b"of the parent")
    for _ in range(3):
        child = stage.agent.call(how, os.path.join(WORKLOADS, "quiet").encode() + b"\0")
        stage.check()
        until(lambda: b"quiet" in open(f"/proc/{child}/cmdline", "rb").read(), "the exec")
        until(lambda: stage.daemon.report(child)["breakdown"]["named"] != [], "its mapping")
        report = exact_report(stage.daemon, child)
        assert report["comm"] == "quiet"
        assert report["breakdown"]["named"] == [
            {"name": "quiet", "rss": MIB, "virtual": 4 * MIB, "regions": 1}]
        assert not any(r["inherited"] for r in report["regions"])
        assert {r["tid"] for r in report["regions"]} <= {child, None}
        assert report["coverage"]["unknown"] == 0
        assert report["tracing"]["state"] == "complete"
        more = stage.map(MIB)
        stage.agent.call("kill", child, 9)
        stage.agent.call("wait4", child, 0, 0, 0)
        stage.check()
        stage.unmap(more, MIB)
        assert stage.daemon.get("/debug/memory", pid=child).status == 404


def test_what_a_vforked_child_maps_is_the_parents(stage):
    """Until its exec it has no memory of its own."""
    quiet = os.path.join(WORKLOADS, "quiet").encode() + b"\0"
    child = stage.agent.call("vfork", quiet, MIB)
    at = stage.agent.call("mapped")
    stage.agent.call("fill", at, MIB, 1)
    stage.shadow.mapped(at, MIB, child)
    region = region_at(stage.check(), at)
    assert (region["tid"], region["rss"], region["inherited"]) == (child, MIB, False)
    report = exact_report(stage.daemon, child)
    assert not [r for r in report["regions"] if r["origin"] == "mmap" and span(r)[0] == at]


@pytest.mark.parametrize("by_thread", [False, True])
def test_exec(stage, by_thread):
    """Nothing of the old program stays; also when a thread that is not the leader does it."""
    stage.map(4 * MIB)
    at = stage.map(4 * MIB)
    stage.agent.name(at, 4 * MIB, b"before")
    stage.shadow.named(at, 4 * MIB, b"before")
    worker = stage.agent.thread()
    stage.check()
    prefix = f"@{worker.index} " if by_thread else ""
    stage.agent.tell(f"{prefix}exec :{os.path.join(WORKLOADS, 'agent').encode().hex()}00")
    assert stage.agent.line() == "ready"
    report = exact_report(stage.daemon, stage.agent.pid)
    assert report["breakdown"]["named"] == []
    assert report["coverage"]["unknown"] == report["coverage"]["predates"] == 0
    assert {r["tid"] for r in report["regions"]} <= {stage.agent.pid, None}
    assert not any(r["inherited"] for r in report["regions"])
    stage.shadow, stage.heap_known = Shadow(), False
    start = stage.agent.call("brk", 0)
    stage.brk(start + MIB)
    stage.map(MIB)
    stage.check()


def check_stack(report, tid):
    found = [r for r in report["regions"] if r["name"] == f"[stack: agent/{tid}]"]
    assert found and {r["name_source"] for r in found} == {"inferred"}, report["regions"]
    main = [r for r in report["regions"] if r["name"] == "[stack]"]
    rss = sum(r["rss"] for r in found)
    assert rss >= PAGE
    assert report["breakdown"]["runtime"]["stack"] == rss + sum(r["rss"] for r in main)


def test_the_stack_of_a_thread(daemon, agent):
    """It has the name of its thread, and counts as stack of the runtime."""
    worker = agent.thread()
    check_stack(exact_report(daemon, agent.pid), worker.tid)


def test_the_stack_of_a_thread_from_before(bpf):
    with Agent() as agent:
        worker = agent.thread()
        with Daemon() as daemon:
            check_stack(exact_report(daemon, agent.pid), worker.tid)


def test_a_leader_that_is_gone(daemon):
    """Its threads live on: /proc/PID itself shows no memory, its threads do."""
    with Target("leader_exit") as target:
        tid, address = target.line().split()
        until(lambda: open(f"/proc/{target.pid}/stat").read().split()[2] == "Z", "the leader")
        report = daemon.report(target.pid, all=1)
        check_sums(report)
        region = region_at(report, int(address, 16))
        assert (region["tid"], region["rss"], region["origin"]) == (int(tid), 2 * MIB, "mmap")
        assert region["name"] == "[anon: of a thread]"
        assert report["coverage"]["unknown"] == 0


def test_threads_in_parallel(daemon):
    """Eight threads map and unmap at once, stop, and then each range has the thread that made it.
    """
    with Target("churn", "8", "keep") as target:
        assert target.line() == "running"
        for _ in range(5):
            report = daemon.report(target.pid, all=1)
            check_sums(report)
        target.tell("stop")
        made = {}
        while (line := target.line()) != "stopped":
            start, tid = line.split()
            made[int(start, 16)] = int(tid)
        assert len(made) == 8 * 16
        report = exact_report(daemon, target.pid)
        for start, tid in made.items():
            region = region_at(report, start)
            assert (region["tid"], region["origin"]) == (tid, "mmap"), region
            assert span(region) == (start, start + 64 * 1024)
            assert region["rss"] == 64 * 1024
        assert report["coverage"]["unknown"] == 0
        assert len(set(made.values())) == 8


# --- random sequences ---------------------------------------------------------------------------

ARENA = 256  # pages


class Random:
    """Random calls within a small arena, so that they meet each other; by four threads."""

    def __init__(self, daemon, agent, seed):
        self.rng = random.Random(seed)
        self.stage = Stage(daemon, agent)
        self.agent, self.shadow = agent, self.stage.shadow
        self.makers = [None] + [agent.thread() for _ in range(3)]
        agent.call("prctl", 41, 1)
        self.base = agent.map(ARENA * PAGE)
        agent.call("munmap", self.base, ARENA * PAGE)
        self.names = 0
        self.shared = set()  # calls that mapped shared memory

    def in_arena(self):
        return [p for p in self.shadow.pieces if self.base <= p.start < self.base + ARENA * PAGE]

    def place(self):
        first = self.rng.randrange(ARENA - 1)
        return self.base + first * PAGE, self.rng.randint(1, min(64, ARENA - first)) * PAGE

    def mapped_place(self):
        """A part of a piece of the arena."""
        piece = self.rng.choice(self.in_arena())
        pages = (piece.end - piece.start) // PAGE
        first = self.rng.randrange(pages)
        return piece.start + first * PAGE, self.rng.randint(1, pages - first) * PAGE

    def map(self, by):
        at, size = self.place()
        flags = self.rng.choice([MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED])
        self.stage.map(size, at=at, flags=flags | MAP_ANONYMOUS | MAP_FIXED, by=by)
        if flags == MAP_SHARED:
            self.shared.add(self.shadow.calls)

    def unmap(self, by):
        self.stage.unmap(*self.place(), by=by)

    def fill(self, by):
        at, size = self.mapped_place()
        try:
            self.agent.call("mprotect", at, size, 3, by=by)
        except Refused:
            return
        self.agent.call("fill", at, size, 7, by=by)
        self.shadow.touched(at, size)

    def protect(self, by):
        at, size = self.mapped_place()
        self.agent.call("mprotect", at, size, self.rng.choice([0, 1, 3]), by=by)

    def drop(self, by):
        at, size = self.mapped_place()
        self.agent.call("madvise", at, size, 4, by=by)
        self.shadow.forget_pages(at, size)

    def name(self, by):
        at, size = self.place()
        self.names += 1
        name = None if self.rng.random() < 0.2 else b"name %d" % (self.names % 7)
        if name:
            self.agent.name(at, size, name, by=by)
        else:
            try:
                self.agent.call("prctl", 0x53564D41, 0, at, size, 0, by=by)
            except Refused:
                pass
        self.shadow.named(at, size, name)

    def remap(self, by):
        old, old_size = self.mapped_place()
        new, new_size = self.place()
        # Shared memory does not become larger with its mapping: touching that is a SIGBUS.
        if any(p.start < old + old_size and p.end > old and p.creator.call in self.shared
               for p in self.in_arena()):
            new_size = min(new_size, old_size)
        how = self.rng.randrange(4)
        try:
            if how == 0:
                self.stage.remap(old, old_size, new_size, 0, by=by)
            elif how == 1:
                self.stage.remap(old, old_size, old_size, MREMAP_MAYMOVE | MREMAP_FIXED |
                                 MREMAP_DONTUNMAP, new if new + old_size <= self.base +
                                 ARENA * PAGE else self.base, by=by)
            else:
                self.stage.remap(old, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, new,
                                 by=by)
        except Refused:
            self.shadow.only_what_is_mapped(self.agent.pid)

    def brk(self, by):
        if not hasattr(self, "heap"):
            self.heap = self.agent.call("brk", 0)
        self.stage.brk(self.heap + self.rng.randrange(64) * 1000, by=by)

    def step(self):
        by = self.rng.choice(self.makers)
        do = self.rng.choices([self.map, self.unmap, self.fill, self.protect, self.drop,
                               self.name, self.remap, self.brk], [6, 3, 6, 1, 2, 4, 4, 1])[0]
        if self.in_arena() or do in (self.map, self.brk):
            do(by)

    def check(self):
        self.shadow.check(self.stage.daemon, self.agent.pid,
                          counted=(self.base, self.base + ARENA * PAGE))


LARGE = 66 * MIB
SEED = int(os.environ.get("MEMPROV_SEED", "0"))
SEQUENCES = int(os.environ.get("MEMPROV_SEQUENCES", "40"))


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_random_sequences(daemon, seed):
    """MEMPROV_SEED and MEMPROV_SEQUENCES search further."""
    for i in range(SEQUENCES // 4):
        number = seed * 1000 + i
        print("seed", number)
        with Agent() as agent:
            if i % 2:  # so much that smaps is not read, until it forks
                agent.call("fill", agent.map(LARGE), LARGE, 1)
            sequence = Random(daemon, agent, number)
            for _ in range(12):
                for _ in range(4):
                    sequence.step()
                sequence.check()
            child = agent.fork()
            theirs = sequence.shadow.copy(inherited=True)
            theirs.check(daemon, child.pid)
