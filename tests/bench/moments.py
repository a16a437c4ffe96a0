# SPDX-License-Identifier: BSD-2-Clause
"""How long a person or a program waits for memprov now and then."""
import json
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import time

from memprov import MEMPROV, MIB, WORKLOADS, Agent, Daemon, Target, known_site, stopped
from page import Goal, Section, table
from symbolizers import symbolizer

PAIRS = 1_000_000  # of each of two threads


def seconds(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def end():
    """Of a daemon that makes 20 reports of 60,000 VMAs."""
    with Target("many_vmas", 60000) as target, Daemon() as daemon:
        assert target.line() == "ready"
        asked = [daemon.connection() for _ in range(20)]
        for connection in asked:
            connection.request("GET", f"/debug/memory?pid={target.pid}&format=json")
        time.sleep(0.1)
        took = seconds(daemon.stop)
        for connection in asked:
            connection.close()
        return took


def answer_without_child():
    """A report that waits for a stack, while the process that unwinds does not answer."""
    with Daemon() as daemon, Agent() as agent:
        os.kill(symbolizer(daemon, agent), signal.SIGSTOP)
        at = agent.map(MIB)
        return seconds(lambda: known_site(daemon, agent.pid, at))


def longest_pair():
    """Of mmap and munmap, in two threads, while the daemon is stopped and its ring is full."""
    with Daemon("--unwind", "none") as daemon, Target("pairs", 2, PAIRS) as target, stopped(daemon.pid):
        target.tell("go")
        return int(target.line()) / 1e9


def unseen_of_a_burst():
    """Of 64 MiB for no longer than they take to be touched: the share that no report of `run` has."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "report")
        subprocess.run([MEMPROV, "run", "--format", "json", "-o", path, "--",
                        os.path.join(WORKLOADS, "endings"), "peak", "0"], check=True)
        with open(path) as file:
            whole = json.load(file)
    return 1 - whole["peak"]["totals"]["rss"] / whole["peak_rss"]


def cpu_of_run():
    """Beside a program that sleeps for three seconds."""
    def used():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    subprocess.run([MEMPROV, "run", "-o", "/dev/null", "--", "/bin/sleep", "3"], check=True)
    return used() - before


def first_paint():
    """Of the page with the list, in Chromium."""
    from browser import Browser
    browser = Browser()
    try:
        with Daemon() as daemon:
            browser.driver.get(f"http://{daemon.host}:{daemon.port}/")
            while not browser.all("tbody tr"):
                time.sleep(0.01)
            return browser.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1e3
    finally:
        browser.close()


# The longest time in which the page does nothing else, while it is drawn, drawn anew, and searched.
LONGEST = """
const [field, done] = arguments;
const longest = () => { const tasks = []; new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration)))
  .observe({type: 'longtask', buffered: true}); setTimeout(() => done(Math.max(0, ...tasks)), 200); };
document.getElementById('now').click();
setTimeout(() => { const input = document.querySelector(field); input.value = '1';
  input.dispatchEvent(new Event('input')); setTimeout(longest, 500); }, 2000);"""


def longest_pause(address, css, field, answers):
    """Of the page at an address, with answers that are made."""
    from browser import Browser
    from made_answers import Answers
    browser = Browser()
    try:
        with Daemon() as daemon, Agent() as agent, Answers(browser, answers(daemon.report(agent.pid))):
            browser.driver.get(f"http://{daemon.host}:{daemon.port}/{address.format(agent.pid)}")
            while not browser.all(css):
                time.sleep(0.01)
            return browser.driver.execute_async_script(LONGEST, field) / 1e3
    finally:
        browser.close()


def pause_of_processes():
    from made_answers import many_processes
    return longest_pause("#/", "tbody tr", "input[type=search]",
                         lambda _: {"/debug/memory/processes": many_processes(2000)})


def pause_of_call_sites():
    """Of 5,000 it asks for 50, and for the stacks of a thousand."""
    from made_answers import many_sites, many_stacks
    return longest_pause("#/pid/{}", ".frame", ".flamegraph input[type=search]", lambda report: {
        "/debug/memory?": many_sites(report, 50), "/debug/memory/flamegraph": many_stacks(report, 1000)})


MOMENTS = [
    ("the end, while 20 reports are made", end, 1, "{:.2f} s"),
    ("a report whose stack is not unwound", answer_without_child, 2, "{:.2f} s"),
    ("the longest mmap and munmap while the daemon is stopped", longest_pair, 1, "{:.4f} s"),
    ("the share of a burst of 64 MiB that run does not see", unseen_of_a_burst, 0.5, "{:.2f}"),
    ("CPU of run, its start included, beside a program that sleeps for 3 s", cpu_of_run, 1, "{:.2f} s"),
    ("the first paint of the page", first_paint, 1, "{:.2f} s"),
    ("the page's longest pause with 2,000 processes", pause_of_processes, 0.2, "{:.3f} s"),
    ("the page's longest pause with 5,000 call sites", pause_of_call_sites, 0.5, "{:.3f} s"),
]


def run(rounds):
    rows, goals = [], []
    for what, measure, limit, form in MOMENTS:
        found = [measure() for _ in range(rounds)]
        rows.append([what, form.format(min(found)), form.format(statistics.median(found)), form.format(max(found))])
        goals.append(Goal(what, limit, statistics.median(found), form))
    return [Section("Moments", [f"{rounds} rounds.", table(["what", "least", "median", "most"], rows)], goals)], {}
