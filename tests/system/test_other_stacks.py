# SPDX-License-Identifier: BSD-2-Clause
"""Stacks that go on elsewhere: a goroutine's behind the thread's system stack, what a signal interrupted, what has
resumed a coroutine."""
import pytest

from memprov import MIB, Target, functions, known_site, until

MAGIC = 0x123000  # of tests/workloads/stacks.c and gostack.c


def owner(site):
    return site["owner"] and site["owner"]["function"]


def whole_report(daemon, target):
    """With the call sites of all that was mapped: a sanitized symbolizer may take its time."""
    def report():
        report = daemon.report(target.pid, all=1)
        mapped = [r for r in report["regions"] if r["origin"] in ("mmap", "brk", "mremap")]
        return report if mapped and all(r["callsite"] is not None for r in mapped) else None

    return until(report, "the call sites")


def through(sites, function):
    return [site for site in sites if function in functions(site)]


def resident(sites):
    return sum(site["rss"] for site in sites)


def check_heap(report):
    """Go's heap grows by 4 MiB, so what is left of one function's is the next one's."""
    heap = through(report["callsites"], "runtime.(*mheap).grow")
    much, little = through(heap, "main.keepMuch"), through(heap, "main.keepLittle")
    assert 43 * MIB < resident(much) < 53 * MIB, much
    assert 11 * MIB < resident(little) < 21 * MIB, little
    assert {owner(site) for site in much} == {"main.keepMuch"}
    assert {owner(site) for site in little} == {"main.keepLittle"}
    # What the runtime wants before there is a goroutine has none.
    for site in through(heap, "runtime.systemstack"):
        assert functions(site)[-1] == "runtime.goexit" and not site["truncated"], site


@pytest.mark.parametrize("build", ["", "-pie", "-full"])
def test_a_goroutine_owns_what_it_has_the_heap_grow_by(daemon, build):
    with Target("keepers.go" + build) as target:
        assert target.line() == "1024"
        report = whole_report(daemon, target)
    check_heap(report)
    # A function that needs a larger stack has not begun yet when it gets it. (One that is preempted gets to newstack,
    # too, and what is then mapped for the scheduler is no goroutine's.)
    grown = through(report["callsites"], "runtime.copystack")
    assert grown
    for site in grown:
        names = functions(site)
        at = names.index("runtime.morestack")
        assert names[at + 1:at + 3] == ["main.descend"] * 2, site
        assert owner(site) == "main.descend", site


@pytest.mark.parametrize("build", ["", "-pie", "-full"])
def test_a_goroutine_owns_what_c_maps_for_it(daemon, build):
    with Target("cgo_keepers.go" + build) as target:
        assert target.line() == "1024 8"
        report = whole_report(daemon, target)
    check_heap(report)
    for name, size in (("malloc", 8 * MIB), ("mmap", 4 * MIB)):
        called = f"main._Cfunc_by_{name}"
        sites = through(report["callsites"], called)
        assert size <= resident(sites) < size + 0.1 * MIB, sites
        for site in sites:
            names = functions(site)
            at = names.index(called)
            assert names[at - 2:] == ["runtime.asmcgocall", "runtime.cgocall", called, "main.keepInC",
                                      "main.main.func1", "runtime.goexit"], site
            assert not site["truncated"], site
    # The runtime has C make threads also where it is on the system stack already.
    made = through(report["callsites"], "_cgo_sys_thread_start")
    assert made
    for site in made:
        names = functions(site)
        at = names.index("runtime.asmcgocall")
        assert names[at + 1:at + 3] == ["runtime.newm1", "runtime.newm"], names


def site_of_magic(daemon, target):
    def sites():
        return [site for site in daemon.report(target.pid, all=1)["callsites"] if site["mapped"] == MAGIC]

    until(sites, "the mapping")
    site, = sites()
    return site


@pytest.mark.parametrize("version", ["1.21", "1.25", "unknown"])
def test_later_versions_of_go(daemon, version):
    """Debian has no compiler of these: the program does what their runtime does. One whose structures are not known is
    followed by its frame pointers."""
    with Target("gostack", version) as target:
        site = site_of_magic(daemon, target)
    assert functions(site)[-5:] == ["on_system_stack", "runtime.systemstack", "keep", "goroutine", "runtime.goexit"]
    assert not site["truncated"], site


STACKS = {
    "altstack": ["innermost", "third", "second", "on_signal", None, None, "raise", "interrupted", "handle", "main"],
    "coroutine": ["innermost", "third", "second", "in_coroutine", None, "resume", "main"],
}


@pytest.mark.parametrize("mode", STACKS)
def test_a_stack_that_was_left_for_another_one(daemon, mode):
    with Target("stacks", mode) as target:
        site = site_of_magic(daemon, target)
    names, wanted = functions(site), STACKS[mode]
    at = names.index("innermost")
    assert len(names) > at + len(wanted)
    for name, want in zip(names[at:], wanted):
        assert want in (None, name), site
    assert owner(site) == "innermost" and not site["truncated"], site


@pytest.mark.parametrize("size", [16, 5000, 20000, 100000])
def test_pages_that_were_never_touched(daemon, size):
    """A function with a large array, which has not used it: its caller's frame lies beyond pages that cannot be read.
    HotSpot has one around all that it maps when it starts."""
    with Target("holes", size) as target:
        sites = [known_site(daemon, target.pid, int(target.line())) for _ in range(2)]
    for site, outermost in zip(sites, ("clone3", "_start")):
        names = functions(site)
        assert names[names.index("map_below"):][:3] == ["map_below", f"skip_{size}", "begin_here"], site
        assert outermost in names[-1] and not site["truncated"], site
