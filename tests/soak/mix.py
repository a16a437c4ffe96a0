# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon lives through: each function begins something, and leaves its end to the stack. What is to happen in the
middle, while everything runs, goes to soak.midway."""
import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import sys

from containers import Container, Pod
from memprov import MIB, ROOT, Agent, Refused, Target, family, patiently

COLLECTORS = ("Serial", "Parallel", "G1", "Z")
REPORTS = ("/debug/memory?pid={pid}&all=1&format={format}", "/debug/memory?top=50&format={format}",
           "/debug/memory/callsites?by=touch&format={format}", "/debug/memory/history?pid={pid}&format={format}",
           "/debug/memory/diff?from=-10m&to=now", "/debug/memory/processes?all=1&trend=60&format={format}",
           "/debug/memory/flamegraph?by=touch", "/debug/memory/pprof?pid={pid}", "/metrics", "/")


def storm_of_forks(soak, stack):
    stack.enter_context(Target("spawn_storm", soak.random.randint(50, 300), 1000))
    stack.enter_context(Target("forks", soak.random.randint(50, 400)))


def storm_of_mappings(soak, stack):
    stack.enter_context(Target("churn", soak.random.randint(1, 4)))
    stack.enter_context(Target("greedy", soak.random.choice([1, 16]), soak.random.randint(1000, 10000), 14, 2000))


def many_mappings(soak, stack):
    stack.enter_context(Target("many_vmas", soak.random.randint(1000, 30000)))
    stack.enter_context(Target("burst", soak.random.randint(100, 2000), "fkp"))


def java(soak, stack):
    collector = soak.random.choice(COLLECTORS)
    stack.enter_context(Target(shutil.which("java"), f"-XX:+Use{collector}GC", "-Xmx256m", "-cp", ROOT / "build" / "bench",
                               "Allocate", 1000000))


def go(soak, stack):
    program = soak.random.choice(["", "-pie", "-full"])
    target = stack.enter_context(Target("random_keepers.go" + program))
    target.tell(f"press {soak.random.randint(8, 64)} {soak.random.randint(1, 1000)}")


def python(soak, stack):
    body = "import mmap\ndef f(n): return [mmap.mmap(-1, 1 << 16)] + f(n - 1) if n else []\nwhile 1: f(20)"
    stack.enter_context(Target("/usr/bin/python3", "-c", body))


def names(soak, stack):
    stack.enter_context(Target("renamer"))
    stack.enter_context(Target("name_flood", soak.random.choice([100, 1000])))
    stack.enter_context(Target("name_operations"))


def leak(soak, stack):
    stack.enter_context(Target("leaks", 1000, 256 * MIB))


def containers(soak, stack):
    for directory in ("pods", "containers"):
        stack.callback(shutil.rmtree, soak.logs / directory)
    for name in soak.random.sample(["web-0", "web-1", "db-0", "job-7"], 2):
        pod = Pod(soak.logs, "prod", name)
        container = stack.enter_context(Container(pod.cgroup, limit=64 * MIB))
        pod.link("main", container.id)
        for _ in range(20):
            start = container.map(MIB)
            container.name(start, MIB, b"cache")
            container.call("fill", start, MIB, 1)
    soak.pids.append(container.pid)


def clients(soak, stack):
    """Of every route that the daemon has, on both listeners."""
    routes = re.findall(r"/[\w/]*", patiently(lambda: soak.daemon.get("/nowhere")).text.partition(":")[2])
    formats = ("text", "json", "pprof", "folded")
    paths = [form.format(pid=pid, format=format) for form, format, pid in itertools.product(REPORTS, formats, soak.pids)]
    paths += [route for route in routes if route not in ("/", "/metrics")]
    soak.random.shuffle(paths)
    stack.enter_context(Target(sys.executable, ROOT / "tests" / "system" / "greedy_client.py", soak.daemon.port, 4, *paths,
                               "--", soak.daemon.socket, 2, *paths))


def slow_clients(soak, stack):
    """They ask for much and take nothing, or do not come to the end of what they ask."""
    head = b"GET /debug/memory/flamegraph HTTP/1.1\r\nHost: localhost\r\n"
    for number in range(soak.random.randint(4, 40)):
        connection = stack.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):  # too many of them wait already
            connection.connect((soak.daemon.host, soak.daemon.port))
            connection.send(head + (b"\r\n" if number % 2 else b"X"))


def symbolizer_killed(soak, stack):
    def kill():
        for pid in family(soak.daemon)[2:3]:
            os.kill(pid, signal.SIGKILL)

    stack.enter_context(Agent()).map(MIB)
    patiently(soak.daemon.report)  # now there is one
    soak.midway.append(kill)


def clock_stepped(soak, stack):
    """The daemon's own: by minutes and hours, backward, too."""
    soak.midway.append(lambda: soak.clock.step(soak.random.choice([-3600, -60, 60, 3600, 3 * 3600, 24 * 3600])))


def tenant(soak, stack):
    """Maps, names, moves, forks, and gives back."""
    agent = stack.enter_context(Agent())
    for number in range(soak.random.randint(50, 300)):
        size = soak.random.choice([4096, 65536, MIB])
        try:
            start = agent.map(size)
            agent.name(start, size, b"tenant %d" % (number % 7))
            if soak.random.random() < 0.5:
                agent.call("munmap", start, size)
            elif number % 50 == 0:
                agent.fork()
        except Refused:
            pass
    soak.pids.append(agent.pid)


# It comes once, near the end: after it, call sites are module and offset for good.
def launcher_killed(soak):
    os.kill(family(soak.daemon)[1], signal.SIGKILL)


MIX = {"fork storms": storm_of_forks, "mapping storms": storm_of_mappings, "processes of many mappings": many_mappings,
       "JVMs": java, "Go programs": go, "Python programs": python, "names": names, "leaks": leak, "containers": containers,
       "tenants": tenant, "clients of every route": clients, "slow clients": slow_clients,
       "symbolizers killed": symbolizer_killed, "clock stepped": clock_stepped}
