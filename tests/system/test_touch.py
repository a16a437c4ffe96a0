# SPDX-License-Identifier: BSD-2-Clause
"""What touched memory first: programs whose functions fill known shares of it (tests/workloads/touchers.c)."""
import collections
import contextlib
import functools
import json
import os
import re
import signal
import statistics
import subprocess
import time

import pytest

from memprov import HANG, MEMPROV, MIB, ROOT, SANITIZED, WORKLOADS, Daemon, Target, functions, span, until
from test_fairness import NOBODY

STORM = ROOT / "build" / "bench" / "bench_faults"
OTHER = NOBODY - 1
THINNED = 'memprov_touch_samples_total{result="thinned"}'
WHO = {"first": "touch_first", "second": "touch_second", "third": "touch_third", "thread": "touch_ahead",
       "read": "fill"}


def disturbed(daemon):
    """Samples that were lost, or had no room for their stack: the daemon had no CPU for too long."""
    metrics = daemon.metrics()
    return sum(metrics[f'memprov_touch_samples_total{{result="{result}"}}'] for result in ("lost", "no_stack"))


def undisturbed(test):
    """Once more, if it failed while the machine kept the daemon from reading samples: then much is unsampled, as it says."""
    @functools.wraps(test)
    def again(daemon, *args, **kwargs):
        end = time.monotonic() + HANG
        while True:
            before = disturbed(daemon)
            try:
                return test(daemon, *args, **kwargs)
            except AssertionError:
                if disturbed(daemon) == before or time.monotonic() > end:
                    raise

    return again


@contextlib.contextmanager
def touchers(*commands, **popen):
    with Target("touchers", **popen) as target:
        assert target.line() == "ready"
        tell(target, *commands)
        yield target


def tell(target, *commands):
    for command in commands:
        target.tell(command)
        assert target.line() == "done"


def check_touch(report):
    """What holds of every report; its object "touch"."""
    touch = report["touch"]
    assert touch["resident"] == touch["sampled"] + touch["unsampled"]
    assert sum(site["rss"] for site in touch["sites"]) == touch["sampled"]
    assert sum(site["samples"] for site in touch["sites"]) <= touch["samples"]
    assert touch["samples"] == sum(region["touch_samples"] for region in report["regions"])
    assert [site["rss"] for site in touch["sites"]] == sorted((s["rss"] for s in touch["sites"]), reverse=True)
    return touch


def touched(daemon, pid):
    """The object "touch", and bytes and variance of each function of WHO."""
    touch = check_touch(daemon.report(pid, all=1))
    bytes_, variance = collections.Counter(), collections.Counter()
    for site in touch["sites"]:
        for name in functions(site):
            if name in WHO.values() or name.startswith("keep_"):
                bytes_[name] += site["rss"]
                variance[name] += site["rss_error"] ** 2
                break
    return touch, bytes_, variance


def unwound(daemon, pid):
    """The same when all stacks are unwound, for which one report need not wait; on a machine that is too busy for
    some of them, what is known."""
    for _ in range(20):
        touch, bytes_, variance = touched(daemon, pid)
        if touch["unsampled"] < MIB:
            break
        time.sleep(0.2)
    return touch, bytes_, variance


def is_behind(daemon):
    """Of a machine that is so busy that stacks found no room, some are unsampled, and reports say so."""
    return SANITIZED or daemon.metrics()["memprov_stacks_dropped_total"] > 0


def check_shares(daemon, pid, **expected):
    """Megabytes of each, to four standard errors; and hardly anything else."""
    touch, bytes_, variance = unwound(daemon, pid)
    told = {who: (bytes_[WHO[who]] / MIB, variance[WHO[who]] ** 0.5 / MIB) for who in WHO}
    for who, (rss, error) in told.items():
        # Of those that have no sample, others' errors tell.
        error = error or max(error for _, error in told.values())
        assert abs(rss - expected.get(who, 0)) <= 4 * error + 0.1 + touch["unsampled"] / MIB, (who, told, expected)
    assert is_behind(daemon) or touch["resident"] - sum(bytes_.values()) < MIB, (touch, told)
    return touch


@pytest.mark.parametrize("seed", [1, 2, 3])
@undisturbed
def test_two_keepers(daemon, seed):
    """Each malloc is served from what the last one to run out had mapped; glibc is all that maps."""
    with touchers() as target:
        target.tell(f"keep 64 {seed}")
        most, some = map(int, target.line().split())
        touch, bytes_, variance = unwound(daemon, target.pid)
    share = bytes_["keep_most"] / (bytes_["keep_most"] + bytes_["keep_some"])
    error = variance["keep_most"] ** 0.5 / touch["resident"]
    # A machine that has much else to sample has less of this.
    assert abs(share - most / (most + some)) < max(0.05, 4 * error), (share, error, touch)
    assert is_behind(daemon) or bytes_["keep_most"] + bytes_["keep_some"] > 0.92 * touch["resident"]
    assert {site["owner"]["function"] for site in touch["sites"][:2]} == {"keep_most", "keep_some"}


@undisturbed
def test_what_the_kernel_fills_is_nobodys(daemon):
    """In the middle of what somebody touches, too: no fault tells of it."""
    with touchers("map anon 64 small", "populate 16 48", "touch first 0 16", "touch second 48 64") as target:
        touch, bytes_, variance = unwound(daemon, target.pid)
    for who in "touch_first", "touch_second":
        assert abs(bytes_[who] - 16 * MIB) <= 4 * variance[who] ** 0.5 + 0.1 * MIB, (who, touch)
    assert touch["unsampled"] >= 24 * MIB, touch


@pytest.mark.parametrize("kind", ["anon", "shared", "memfd", "sysv", "file"])
@undisturbed
def test_one_fills_what_another_mapped(daemon, kind):
    """By a thread, too, and by the kernel on the reader's behalf."""
    with touchers(f"map {kind} 64 small", "touch first 0 16", "touch second 16 24", "touch thread 24 40",
                  "touch read 40 64") as target:
        check_shares(daemon, target.pid, first=16, second=8, thread=16, read=24)
        sites = daemon.report(target.pid, all=1)["callsites"]
        assert max(sites, key=lambda site: site["rss"])["owner"]["function"] == "map_block"


@undisturbed
def test_huge_pages_count_with_their_size(daemon):
    """24 faults bring 48 MiB. Where the kernel has no huge page at hand it gives small ones, and where it
    has many faults to tell of, it tells of one in 13."""
    def sampled():
        with touchers("map anon 66 huge", "touch first 0 18", "touch second 18 66") as target:
            _, bytes_, _ = touched(daemon, target.pid)
            if bytes_["touch_first"] + bytes_["touch_second"] < 60 * MIB:
                return False
            check_shares(daemon, target.pid, first=18, second=48)
            return True

    until(sampled, "samples of huge pages")


@undisturbed
def test_emptied_pages_are_touched_anew(daemon):
    with touchers("map anon 64 small", "touch first 0 64", "empty 0 32", "touch second 0 16") as target:
        check_shares(daemon, target.pid, first=32, second=16)
        tell(target, "empty 0 64", "touch third 0 8")
        check_shares(daemon, target.pid, third=8)


@undisturbed
def test_samples_move_with_their_pages(daemon):
    with touchers("map anon 64 small", "touch first 0 48", "touch second 48 64", "move") as target:
        check_shares(daemon, target.pid, first=48, second=16)
        tell(target, "empty 0 32", "touch third 0 32")
        check_shares(daemon, target.pid, first=16, second=16, third=32)


@undisturbed
def test_a_child_s_copies_are_its_own(daemon):
    """What it copies, its parent's samples near by stand for no more; how far that is off, no error says: 4 MiB as a
    rule, and once in thirty times 12, so several are looked at."""
    copied = []
    for _ in range(9):
        with touchers("map anon 64 small", "touch first 0 64") as target:
            target.tell("fork second 0 32")
            child = int(target.line())
            touch, bytes_, _ = touched(daemon, child)
            copied.append(bytes_["touch_second"] / MIB)
            assert bytes_["touch_first"] + bytes_["touch_second"] > 0.98 * touch["resident"], touch
            check_shares(daemon, target.pid, first=64)
            # The parent's pages are as old as they were.
            tell(target, "touch third 0 64")
            check_shares(daemon, target.pid, first=64)
            os.kill(child, signal.SIGKILL)
    assert 22 < statistics.fmean(copied) < 40, copied


def test_a_touch_is_seen_at_once(daemon):
    """Map, touch, ask: there are samples, with names, by the first answer after the touch; in the region that was
    mapped and nowhere else. (One in some is taken while the machine is busy.)"""
    with touchers() as target:
        def seen():
            tell(target, "map anon 16 small")
            before = daemon.report(target.pid, all=1)
            tell(target, "touch second 0 16")
            after = daemon.report(target.pid, all=1)
            names = {name for site in check_touch(after)["sites"] for name in functions(site)}
            counts = [{r["start"]: r["touch_samples"] for r in report["regions"] if span(r)[1] - span(r)[0] >= 16 * MIB}
                      for report in (before, after)]
            grown = [start for start in counts[1] if counts[1][start] > counts[0].get(start, 0)]
            return "touch_second" in names and grown

        assert len(until(seen, "samples of what was touched")) == 1


def test_memory_from_before_is_unsampled(bpf):
    with touchers("map anon 64 small", "touch first 0 48") as target, Daemon() as daemon:
        tell(target, "touch second 48 64")
        touch, bytes_, variance = touched(daemon, target.pid)
        assert not bytes_["touch_first"]
        assert abs(bytes_["touch_second"] - 16 * MIB) <= 4 * variance["touch_second"] ** 0.5 + 0.1 * MIB, touch
        assert touch["unsampled"] >= 48 * MIB - 4 * variance["touch_second"] ** 0.5 - 0.1 * MIB
        assert touch["since"] == daemon.report()["touch"]["since"]


@undisturbed
def test_the_node_sums_them(daemon):
    with touchers("map anon 64 small", "touch first 0 64") as target:
        node = daemon.report(all=1)["touch"]
        assert node["resident"] == node["sampled"] + node["unsampled"]
        assert sum(site["rss"] for site in node["sites"]) == node["sampled"]
        first = [site for site in node["sites"] if "touch_first" in functions(site)]
        assert 60 * MIB < sum(site["rss"] for site in first) < 66 * MIB
        assert target.pid


@undisturbed
def test_text(daemon):
    with touchers("map anon 64 small", "touch first 0 64") as target:
        text = daemon.text(target.pid)
    block = re.search(r"^=== Top 20 Touched By \(resident, sampled\) ===\n\n(.*?)^===", text, re.M | re.S)[1]
    head = re.match(r"#1   RSS +(\d+) MB ± (\d+) MB  SAMPLES (\d+)  FIRST SEEN \S+  LAST SEEN \S+\n"
                    r"  OWNER touch_first in \S+\n", block)
    assert head and 63 <= int(head[1]) <= 64 and int(head[3]) > 0, block
    assert re.search(r"^Unsampled: +0 MB of 64 MB of anonymous and shared memory: what touched it first is not known$",
                     block, re.M), block


def test_run_reports_them(bpf, tmp_path):
    out = tmp_path / "out"
    done = subprocess.run([MEMPROV, "run", "--format", "json", "--all", "-o", out, "--",
                           f"{WORKLOADS}/touchers"],
                          input="map anon 64 small\ntouch first 0 48\ntouch second 48 64\n", text=True)
    assert done.returncode == 0
    report = json.loads(out.read_text())
    end = report["end"] if "end" in report else report
    told = collections.Counter()
    for site in check_touch(end)["sites"]:
        told[next((name for name in functions(site) if name.startswith("touch_")), "")] += site["rss"] / MIB
    unsampled = end["touch"]["unsampled"] / MIB
    assert abs(told["touch_first"] - 48) < 8 + unsampled and abs(told["touch_second"] - 16) < 8 + unsampled, told


def test_off(bpf):
    with Daemon("--touch", "off") as daemon, touchers("map anon 4 small", "touch first 0 4") as target:
        report = daemon.report(target.pid, all=1)
        assert report["touch"]["state"] == "off" and report["touch"]["since"] is None
        assert not report["touch"]["samples"] and not check_touch(report)["sampled"]
        assert report["coverage"]["attributed"] > 4 * MIB
        assert "Touched By" not in daemon.text(target.pid)
        assert daemon.metrics()['memprov_touch_samples_total{result="taken"}'] == 0


def test_a_kernel_that_refuses(bpf):
    """Everything else works, and what is missing is said, with a remedy."""
    prefix = [f"{WORKLOADS}/no_page_faults"]
    with Daemon(prefix=prefix) as daemon, touchers("map anon 4 small", "touch first 0 4") as target:
        report = daemon.report(target.pid, all=1)
        assert report["touch"]["state"] == "unsupported"
        assert not check_touch(report)["sampled"] and report["touch"]["unsampled"] > 4 * MIB
        assert max(report["callsites"], key=lambda site: site["rss"])["owner"]["function"] == "map_block"
        why = "perf_event_open refuses page faults (Permission denied)"
        assert f"Not known: {why}\n" in daemon.text(target.pid)
        assert f"what touched memory first is not known: {why}" in daemon.stderr()
    doctor = subprocess.run([*prefix, MEMPROV, "doctor"], capture_output=True, text=True)
    lines = doctor.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if re.match(r"no +page faults", line))
    assert why in lines[at] and "means:" in lines[at + 1] and "CAP_PERFMON" in lines[at + 2]
    assert doctor.returncode == 0


def test_a_storm_takes_no_samples_from_others(bpf):
    """A process that touches and empties memory without end, on the CPU of one that touches little."""
    cpu = min(os.sched_getaffinity(0))
    with Daemon() as daemon, touchers() as storm, touchers() as quiet:
        for target in storm, quiet:
            os.sched_setaffinity(target.pid, {cpu})
        tell(storm, "map anon 64 small")
        for _ in range(40):
            tell(storm, "touch first 0 64", "empty 0 64")

        def sampled():
            tell(quiet, "map anon 4 small", "touch second 0 4")
            return touched(daemon, quiet.pid)[1]["touch_second"]

        until(sampled, "samples of the quiet one")


def test_samples_are_spared_for_a_quiet_process(bpf):
    """Beside another user's storms that fill the bucket of each CPU. One in 13 of its 1,024 faults are 79."""
    with Daemon() as daemon, contextlib.ExitStack() as stack, touchers(user=OTHER, group=OTHER) as quiet:
        for _ in range(8):
            stack.enter_context(Target(str(STORM), 64, "storm", user=NOBODY, group=NOBODY))
        until(lambda: daemon.metrics()[THINNED] > 600000, "the storms")
        tell(quiet, "map anon 4 small", "touch second 0 4")
        touch, bytes_, _ = unwound(daemon, quiet.pid)
        assert touch["samples"] >= 40, touch
        assert bytes_["touch_second"] > 0.9 * touch["sampled"], touch


def test_the_rate_is_a_bound(bpf):
    """40 GiB of faults by two programs at once: what comes through at once, and then 50 a second and CPU."""
    with Daemon("--touch-rate", "50") as daemon, touchers() as one, touchers() as other:
        def taken():
            return daemon.metrics()['memprov_touch_samples_total{result="taken"}']

        begun = time.monotonic()
        for target in one, other:
            tell(target, "map anon 64 small")
        for _ in range(20 if SANITIZED else 80):
            for target in one, other:
                target.tell("touch first 0 64")
                target.tell("empty 0 64")
            for target in one, other:
                assert [target.line(), target.line()] == ["done", "done"]
        # The bucket of each CPU, up to where one in 65,536 is taken. The rest of the machine is in it.
        assert taken() < os.cpu_count() * 12288 + 50 * os.cpu_count() * (time.monotonic() - begun)
        assert daemon.metrics()[THINNED] > 10000


def test_lost_events_take_samples_and_no_more(bpf):
    """A ring that is too small for what comes while the daemon is stopped."""
    with Daemon("--ring-size", "64k") as daemon, touchers("map anon 64 small", "touch first 0 64") as target:
        touched(daemon, target.pid)
        daemon.process.send_signal(signal.SIGSTOP)
        for _ in range(2000):
            target.tell("empty 0 32")
        for _ in range(2000):
            assert target.line() == "done"
        tell(target, "touch second 0 16")
        daemon.process.send_signal(signal.SIGCONT)
        touch, bytes_, variance = touched(daemon, target.pid)
    # What was emptied is not the first's any more, whether an event or its loss said so.
    assert bytes_["touch_first"] <= 32 * MIB + 16 * MIB + MIB, touch
    assert touch["resident"] < 50 * MIB
