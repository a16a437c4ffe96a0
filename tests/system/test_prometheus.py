# SPDX-License-Identifier: BSD-2-Clause
"""The metrics, as Prometheus and its linter take them."""
import contextlib
import http.client
import json
import socket
import subprocess
import urllib.parse

import pytest

from memprov import HANG, MIB, Agent, Daemon, smaps, stopped, until

NAMES = [b'"quoted" \\ back', b"two\nlines", b"\xff not UTF-8", "\u202eright to left".encode()]

# What docs/http.md promises, and a label of each.
FAMILIES = {
    "process_resident_bytes": "category", "process_proportional_bytes": "comm",
    "named_region_resident_bytes": "name", "events_total": "type", "events_lost_total": "cause",
    "stacks_total": "source", "ring_buffer_bytes": "state", "resyncs_total": "cause",
    "unattributed_resident_bytes": None, "snapshot_duration_seconds_bucket": "le",
    "bpf_map_bytes": None, "build_info": "version", "stacks_unwound_total": "result",
    "symbolizer_restarts_total": None, "callsites": None,
    **{f"process_{kind}_bytes": "comm" for kind in ("hugetlb", "lazyfree", "ksm", "anon_huge_pages",
                                                    "shmem_pmd_mapped", "file_pmd_mapped")},
}


@pytest.fixture
def named(agent):
    """An agent with names that break things."""
    for name in NAMES:
        at = agent.map(4 * MIB)
        agent.name(at, 4 * MIB, name)
        agent.call("fill", at, 4 * MIB, 1)
    return agent


def test_promtool_is_silent(daemon, named):
    text = daemon.get("/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_family_is_there(daemon, named):
    # Stacks of a new process are unwound when it is a second old, or when a request waits for them.
    until(lambda: daemon.metrics()["memprov_callsites"] > 0, "call sites")
    series = daemon.metrics()
    for family, label in FAMILIES.items():
        found = [name for name in series if name.split("{")[0] == f"memprov_{family}"]
        assert found, family
        assert all(f'{label}="' in name for name in found) if label else len(found) == 1, found
    assert series["memprov_callsites"] > 0
    assert sum(value for name, value in series.items()
               if name.startswith("memprov_stacks_unwound_total")) > 0


class Prometheus:
    """Debian's, with one target."""

    def __init__(self, tmp_path, target):
        config = tmp_path / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1s}\n"
                          "scrape_configs:\n"
                          "- job_name: memprov\n"
                          f"  static_configs: [{{targets: ['{target}']}}]\n")
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.log = tmp_path / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def get(self, path):
        with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())["data"]

    def query(self, text):
        """[(labels, value)]"""
        rows = self.get("/api/v1/query?" + urllib.parse.urlencode({"query": text}))["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def answers(self, text):
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError, KeyError, ValueError):
            return bool(self.query(text))
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait(HANG)


@pytest.mark.plain
def test_prometheus_scrapes_it(bpf, tmp_path):
    """From the listener that is meant for it."""
    with Daemon("--metrics-listen", "127.0.0.1:0") as daemon:
        line = daemon.process.stdout.readline().decode()
        target = line.split("http://")[1].split("/")[0]
        with Agent() as agent:
            for name in NAMES:
                at = agent.map(8 * MIB)
                agent.name(at, 8 * MIB, name)
                agent.call("fill", at, 8 * MIB, 1)
            prometheus = Prometheus(tmp_path, target)
            try:
                with stopped(agent.pid):
                    mine = f'memprov_process_resident_bytes{{pid="{agent.pid}"}}'
                    until(lambda: prometheus.answers(mine), "a scrape")
                    rss = sum(v.rss for v in smaps(agent.pid))
                    until(lambda: prometheus.query(f"sum({mine})")[0][1] == rss,
                          "the same RSS")
                named = {labels["name"]: value for labels, value in prometheus.query(
                    f'memprov_named_region_resident_bytes{{pid="{agent.pid}"}}')}
                assert len(named) == len(NAMES) and set(named.values()) == {8 * MIB}, named
                assert any('"quoted" \\ back' == name for name in named), named
                targets = prometheus.get("/api/v1/targets")["activeTargets"]
                assert [t["health"] for t in targets] == ["up"], targets
            finally:
                prometheus.stop()
