# SPDX-License-Identifier: BSD-2-Clause
"""What grows for good, by real programs: a leak is found and the right function named; what fills and stays, and what
collects its garbage, is left alone. All of them run at the same time, because a trend takes minutes."""
import contextlib
import datetime
import json
import re
import signal
import subprocess
import sys
import time

import pytest

from memprov import HANG, MIB, Daemon, Target, until
from test_access import get_as_nobody
from test_alertmanager import Alertmanager
from test_docs import documented, paths
from test_limits import memory_cgroup
from test_oom import of, within

pytestmark = pytest.mark.plain
ROUTE = "/debug/memory/alerts"
LIMIT = 640 * MIB
OTHERS = 100 * MIB
MAPPINGS = 62000
MAX_MAP_COUNT = 65530
TREND = 4 * HANG  # minutes of samples, each of which a busy machine delays

# A service: two functions take as much memory, of which one keeps it. 100 MB a minute, and all of it at once when it is
# told. What is freed lies where it is taken again, so no page of the one was touched by the other.
SERVICE = """
import select, sys
orders = []
def page_in(size):
    data = bytearray(size)
    data[::4096] = b"x" * len(data[::4096])
    return data
def keep_orders(size):
    orders.append(page_in(size))
def answer_orders(size):
    for _ in range(16):
        page_in(size // 16)
rest = 0.6
while True:
    keep_orders(1 << 20)
    answer_orders(1 << 20)
    if select.select([sys.stdin], [], [], rest)[0]:
        sys.stdin.readline()
        rest = 0
"""

# Garbage beside 32 MB that live.
LOAD = """
public class Load {
    static byte[][] live = new byte[64][];
    public static void main(String[] args) throws Exception {
        for (int n = 0;; n++) {
            live[n % live.length] = new byte[512 << 10];
            Thread.sleep(20);
        }
    }
}
"""


def patiently(condition, what):
    end = time.monotonic() + TREND
    while not (holds := condition()):
        assert time.monotonic() < end, f"waited {TREND} s in vain for {what}"
        time.sleep(1)
    return holds


def alerts(daemon, pid=None):
    answer = daemon.get(ROUTE, format="json")
    assert answer.status == 200 and answer.json["schema"] == 1
    return [alert for alert in answer.json["alerts"] if pid in (None, alert["pid"])]


def alert_of(daemon, pid, state, kind="growth"):
    """The one that the process has, once it is in that state and knows what grew."""
    return next((alert for alert in alerts(daemon, pid)
                 if (alert["state"], alert["kind"]) == (state, kind) and alert["callsites"]), None)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Crowd:
    """A daemon, and all the programs that it watches."""

    def __init__(self, stack, tmp):
        socket, java = tmp / "redis.sock", tmp / "Load.java"
        java.write_text(LOAD)
        self.alertmanager = stack.enter_context(Alertmanager(tmp))
        self.alertmanager.start()
        self.options = ["--alertmanager", self.alertmanager.url, "--history", tmp / "history.db"]
        self.daemon = Daemon(*self.options)
        stack.callback(lambda: self.daemon.stop())
        self.group = stack.enter_context(memory_cgroup(LIMIT))
        # The limit is that of a cgroup around the service's own, and another process has a part of it.
        self.other = stack.enter_context(within(self.group, "leaks", 1000, OTHERS))
        inner = self.group / "inner"
        inner.mkdir()
        stack.callback(inner.rmdir)
        stack.callback(until, lambda: not (inner / "cgroup.procs").read_text(), "the inner cgroup to be empty")
        self.service = stack.enter_context(within(inner, sys.executable, "-c", SERVICE))
        self.mapper = stack.enter_context(Target("mapper", MAPPINGS))
        self.java = stack.enter_context(Target("/usr/bin/java", "-Xmx256m", java))
        self.redis = stack.enter_context(Target("/usr/bin/redis-server", "--port", 0, "--unixsocket", socket,
                                                "--save", "", "--enable-debug-command", "local"))
        until(socket.exists, "redis to listen")
        subprocess.run(["redis-cli", "-s", str(socket), "debug", "populate", "400000", "key", "300"], check=True,
                       stdout=subprocess.DEVNULL)
        assert self.mapper.line() == "ready"

    def ever_fired(self, target):
        return [alert for alert in alerts(self.daemon, target.pid) if alert["state"] != "pending"]


@pytest.fixture(scope="module")
def crowd(bpf, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Crowd(stack, tmp_path_factory.mktemp("crowd"))


def names_of(site):
    return [frame["function"] for frame in site["stack"]]


def test_the_mappings_run_out_and_who_makes_them(crowd):
    alert = patiently(lambda: alert_of(crowd.daemon, crowd.mapper.pid, "firing", "map_count"), "the alert")
    assert alert["comm"] == "mapper" and MAPPINGS < alert["mappings"] < MAX_MAP_COUNT
    assert alert["limit"] == MAX_MAP_COUNT and alert["slope_bytes_per_s"] is None
    # Of a storm of small mappings some have their stacks.
    site = alert["callsites"][0]
    assert (site["by"], site["owner"]["function"]) == ("map", "map_one") and 0 < site["growth"] <= MAPPINGS


def test_a_service_that_leaks(crowd):
    daemon, pid = crowd.daemon, crowd.service.pid
    alert = patiently(lambda: alert_of(daemon, pid, "firing"), "the alert to fire")
    assert alert["comm"] == "python3" or alert["comm"].startswith("python")
    assert 0 < alert["slope_low"] <= alert["slope_bytes_per_s"] <= alert["slope_high"] < 10 * MIB
    assert moment(alert["start_time"]) < moment(alert["since"]) + datetime.timedelta(seconds=1)
    assert alert["limit"] == LIMIT and alert["resolved_at"] is None
    now = datetime.datetime.now(datetime.timezone.utc)
    left = (moment(alert["limit_at"]) - now).total_seconds() * alert["slope_bytes_per_s"]
    assert 0 < left < LIMIT - OTHERS / 2 - alert["rss"], alert
    assert alert["rss"] > 100 * MIB and alert["container"] is None
    # The function that keeps it is named, and not the one that lets go of as much.
    first = alert["callsites"][0]
    assert "keep_orders" in names_of(first) and "answer_orders" not in names_of(first), alert["callsites"]
    for by in ("map", "touch"):
        site = next(site for site in alert["callsites"] if site["by"] == by)
        assert "keep_orders" in names_of(site) and site["growth"] > 50 * MIB, alert["callsites"]
    growths = [site["growth"] for site in alert["callsites"]]
    assert growths == sorted(growths, reverse=True) and growths[-1] > 0


def test_an_alertmanager_is_told(crowd):
    alert = patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the alert to fire")
    told = patiently(lambda: crowd.alertmanager.alerts().get("MemprovMemoryGrowth"), "the Alertmanager to know")
    labels = told["labels"]
    assert (labels["pid"], labels["comm"], labels["start_time"]) == (
        str(alert["pid"]), alert["comm"], alert["start_time"]), labels
    assert told["status"]["state"] == "active" and moment(told["endsAt"]) > moment(told["startsAt"])
    told = patiently(lambda: crowd.alertmanager.alerts().get("MemprovMapCount"), "the Alertmanager to know of mappings")
    assert told["labels"]["comm"] == "mapper"


def test_what_fills_and_what_collects_is_left_alone(crowd):
    """Redis was filled once, Java has a full heap of garbage: both long before the service was found out."""
    patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the service's alert")
    assert crowd.ever_fired(crowd.redis) == [] and crowd.ever_fired(crowd.java) == []
    assert crowd.daemon.report(crowd.redis.pid)["totals"]["rss"] > 120 * MIB


def test_as_text(crowd):
    patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the service's alert")
    text = crowd.daemon.get(ROUTE).text
    row = next(line for line in text.splitlines() if f" {crowd.service.pid} " in line)
    assert re.search(r" firing +growth .* MB/min +\d+ MB +640 MB  20\d\d-", row), text
    assert re.search(r"^ +\+\d+ MB  by (map|touch): page_in in .*(\n    .*)*?\n    page_in .*\n    keep_orders ", text, re.M), text
    assert re.search(r"^ +\+\d+ mappings  by map: map_one in .*/mapper$", text, re.M), text


def test_in_metrics(crowd):
    patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the service's alert")
    metrics = crowd.daemon.metrics()
    slopes = {name: value for name, value in metrics.items() if name.startswith("memprov_growth_bytes_per_second")}
    name, = (name for name in slopes if f'pid="{crowd.service.pid}"' in name)
    assert set(re.findall(r'(\w+)="', name)) == {"pid", "comm", "namespace", "pod", "container"}
    assert 'comm="python' in name and 0 < slopes[name] < 10 * MIB
    assert not [name for name in slopes if f'pid="{crowd.redis.pid}"' in name]
    assert metrics['memprov_alerts{kind="growth",state="firing"}'] >= 1
    assert metrics['memprov_alerts{kind="map_count",state="firing"}'] == 1
    checked = subprocess.run(["promtool", "check", "metrics"], input=crowd.daemon.get("/metrics").body,
                             capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_others_do_not_see_it(crowd):
    patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the service's alert")
    status, body = get_as_nobody(crowd.daemon, f"{ROUTE}?format=json")
    assert status == 200 and json.loads(body) == {"schema": 1, "alerts": []}
    status, body = get_as_nobody(crowd.daemon, "/metrics")
    assert status == 200 and not re.search(rf'growth_bytes_per_second.*pid="{crowd.service.pid}"', body)


def test_every_field_is_documented(crowd):
    patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the service's alert")
    both = alerts(crowd.daemon, crowd.service.pid) + alerts(crowd.daemon, crowd.mapper.pid)
    # These two have no name and no container, which is as in a report.
    assert [alert["names"] for alert in both] == [[], []] and both[0]["container"] is None
    both[0]["names"] = [{"name": "", "growth": 0}]
    assert paths({"schema": 1, "alerts": both}) == documented("## Growth")


def test_bad_parameters(crowd):
    for query, what in (("kind=growth", "kind"), ("pid=1", "pid"), ("format=pprof", "format"), ("format=", "format")):
        answer = crowd.daemon.get(f"{ROUTE}?{query}")
        assert answer.status == 400 and what in answer.text and answer.text.count("\n") == 1
    assert crowd.daemon.request("POST", ROUTE).status == 405
    assert crowd.daemon.request("HEAD", ROUTE).status == 200


def test_a_restart_of_the_daemon_is_none_of_the_trend(crowd):
    """Anew it would take minutes until the alert fires, and would grow since the restart."""
    alert = patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the service's alert")
    crowd.daemon.stop()
    crowd.daemon.stop()
    restarted = datetime.datetime.now(datetime.timezone.utc)
    crowd.daemon = Daemon(*crowd.options)
    again = patiently(lambda: alert_of(crowd.daemon, crowd.service.pid, "firing"), "the alert to fire again")
    assert moment(again["since"]) < restarted and again["start_time"] == alert["start_time"]
    assert 0 < again["slope_bytes_per_s"] < 10 * MIB


def test_it_ends_in_a_kill_that_says_what_grew(crowd):
    """The last one: it ends the service."""
    daemon, pid = crowd.daemon, crowd.service.pid
    alert = patiently(lambda: alert_of(daemon, pid, "firing"), "the service's alert")
    crowd.service.tell("faster")
    assert crowd.service.process.wait() == -signal.SIGKILL
    oom, = until(lambda: of(daemon, pid), "the entry")
    growth, = oom["growth"]
    assert growth["id"] == alert["id"] and "keep_orders" in names_of(growth["callsites"][0])
    gone = patiently(lambda: alert_of(daemon, pid, "resolved"), "its end")
    assert gone["id"] == alert["id"] and moment(gone["resolved_at"]) > moment(gone["since"])
    assert gone["limit_at"] is None
    patiently(lambda: ("resolved", "MemprovMemoryGrowth") in crowd.alertmanager.notified, "the Alertmanager's resolve")
