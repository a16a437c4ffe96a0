# SPDX-License-Identifier: BSD-2-Clause
"""docs/http.md against what a daemon answers, both ways: nothing is missing, and nothing is made up."""
import itertools
import json
import re
import shutil
import subprocess

import pytest

from containers import Container, Pod
from memprov import MEMPROV, MIB, ROOT, WORKLOADS, Daemon, Target, until
from test_limits import memory_cgroup
from test_oom import LIMIT, of, watched, within

DOCUMENT = (ROOT / "docs" / "http.md").read_text()

# The values of these labels are listed where the metric is; others come from processes.
LISTED = {"category", "kind", "type", "cause", "source", "result", "scope", "state", "what"}


@pytest.fixture(scope="module")
def pod(bpf, tmp_path_factory):
    """A daemon, and a container of a pod that has a named mapping."""
    logs = tmp_path_factory.mktemp("log")
    with Daemon("--pod-logs", str(logs)) as daemon:
        pod = Pod(logs, "prod", "web-0")
        with Container(pod.cgroup, limit=64 * MIB) as container:
            pod.link("nginx", container.id)
            container.name(container.map(4 * MIB), 4 * MIB, b"cache")
            yield daemon, container


def section(heading):
    """From a heading to the next one of its level."""
    marks = re.match("#+", heading)[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(marks)}}} |\Z)", DOCUMENT, re.M | re.S)
    assert found, heading
    return found[1]


def rows(heading):
    """The cells of its tables, without their heads."""
    lines = re.findall(r"^\| (.*) \|$", section(heading), re.M)
    return [re.split(r" \| ?", line) for line in lines if line.startswith("`") or line[0].isdigit()]


def words(cell):
    return re.findall(r"`([^`]*)`", cell)


def expand(path):
    """{a,b}.c stands for a.c and b.c."""
    parts = [part[1:-1].split(",") if part[0] == "{" else [part] for part in re.findall(r"{[^}]*}|[^{}]+", path)]
    return {"".join(choice) for choice in itertools.product(*parts)}


def with_parents(paths):
    return {path[:end] for path in paths for end in
            [*(match.end() for match in re.finditer(r"[^.](?=\.)|\[\](?=\[)", path)), len(path)]}


def documented(heading, *more):
    return with_parents({path for row in rows(heading) for path in expand(words(row[0])[0])} | set(more))


def paths(value, path=""):
    """Every key of a JSON value: a.b[].c."""
    if isinstance(value, list):
        inner = set().union(*(paths(element, path + "[]") for element in value))
        return {path + "[]"} | inner
    if not isinstance(value, dict):
        return {path}
    inner = set().union(*(paths(element, f"{path}.{key}" if path else key) for key, element in value.items()))
    return inner | ({path} if path else set())


def in_order():
    """The keys of the report itself, as its first table has them."""
    table = section("## The JSON report").split("\n### ")[0]
    return list(dict.fromkeys(re.findall(r"^\| `(\w+)", table, re.M)))


def of_reports(*reports):
    return set().union(*(paths(report) for report in reports))


def of_python(daemon):
    """A report with frames of Python, mapped and touched: the only ones that have a language."""
    source = "import mmap, time\nheld = []\nwhile 1: held.append(mmap.mmap(-1, 1 << 16)); held[-1][0] = 1; time.sleep(.01)"
    with Target("/usr/bin/python3", "-c", source) as target:
        def known():
            report = daemon.report(target.pid, all=1)
            sites = [report["callsites"], report["touch"]["sites"]]
            return report if all(any("language" in frame for site in kind for frame in site["stack"])
                                 for kind in sites) else None

        return until(known, "frames of Python")


def test_reports(pod):
    daemon, container = pod
    def known():
        report = daemon.report(container.pid, all=1)
        return report if any(site["owner"] for site in report["callsites"]) else None

    one = until(known, "a call site with an owner")
    python = of_python(daemon)
    whole = daemon.report(pod="prod/web-0")
    assert "bridge" in whole["cgroup"]
    node = daemon.report(top=1)
    assert of_reports(one, whole, node, python) == documented("## The JSON report")
    assert list(one) == in_order() and list(node) == [*in_order(), "processes", "unreadable_processes"]


def test_lists(pod):
    daemon, container = pod
    all_of_it = documented("## The JSON report")
    head = {"schema", "version", "taken_at"}
    processes = daemon.get("/debug/memory/processes", format="json").json
    assert paths(processes) == head | {"processes[]", "unreadable_processes"} | {
        path for path in all_of_it if path.startswith("processes[].")}
    sites = daemon.get("/debug/memory/callsites", format="json", pid=container.pid).json
    order = in_order()
    assert list(sites) == order[:order.index("totals")] + ["callsites", "callsites_left_out"]


def test_trends(pod):
    daemon, container = pod

    def known():
        found = daemon.get("/debug/memory/processes", format="json", trend=3).json
        row = next(row for row in found["processes"] if row["pid"] == container.pid)
        return (found, row) if found["trend"]["node"] and row["trend"] else None

    found, row = until(known, "a trend")
    assert paths({"trend": found["trend"], "processes": [{"trend": row["trend"]}]}) == documented("## Trends") | {"processes[]"}
    assert found["trend"]["step_ms"] == 1200000 and len(found["trend"]["node"]) == len(row["trend"]) == 3
    assert row["trend"][:2] == [None, None] and row["trend"][2] > 0


def test_flame_graph(pod, tmp_path):
    """With a program that has no symbols, so that frames have offsets."""
    daemon, _ = pod
    stripped = tmp_path / "named_region"
    subprocess.run(["strip", "-o", stripped, f"{WORKLOADS}/named_region"], check=True)
    with Target(str(stripped)) as target:
        target.line()

        def data():
            graph = daemon.get("/debug/memory/flamegraph", format="json", pid=target.pid).json
            return graph if any("offset" in frame for frame in graph["frames"]) else None

        graph = until(data, "a frame without a name")
    assert paths(graph) == documented("## The data of the flame graph", "schema", "version", "taken_at", "pid",
                                      "comm", "consistency")


def test_metrics(pod):
    daemon, _ = pod
    until(lambda: daemon.metrics()["memprov_callsites"] > 0, "call sites")
    text = daemon.get("/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    labels, values = {name: set() for name in kinds}, {name: set() for name in kinds}
    for name, inside in re.findall(r"^(memprov_\w+?)(?:_bucket)?(?:{(.*)})? \S+$", text, re.M):
        found = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inside)
        name = name if name in kinds else re.sub("_(sum|count)$", "", name)
        labels[name] |= {label for label, _ in found}
        values[name] |= {value for label, value in found if label in LISTED}
    told = {}
    for cell, kind, meaning in rows("## Metrics"):
        name, _, inside = words(cell)[0].rstrip("}").partition("{")
        told[name] = (kind, set(inside.split(",")) - {""}, set(words(meaning)) - {"category"})
    # Its meaning is where the categories are.
    told["memprov_container_resident_bytes"][2].update(told["memprov_process_resident_bytes"][2])
    # Nothing grows here: test_growth.py.
    assert not labels["memprov_growth_bytes_per_second"]
    labels["memprov_growth_bytes_per_second"] = told["memprov_growth_bytes_per_second"][1]
    assert {name: (kinds[name], labels[name], values[name]) for name in kinds} == told


def test_routes_and_parameters(pod):
    daemon, _ = pod
    routes = {words(row[0])[0]: set(words(row[2])) for row in rows("## Routes")}
    assert set(daemon.get("/nothing").text.split("there are ")[1].strip().split(", ")) == set(routes)
    for route, parameters in routes.items():
        message = daemon.get(route + "?x=1").text
        assert set(message.split("this route takes ")[1].strip().split(", ")) == parameters, route
    table = section("## Parameters").split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == set().union(*routes.values())


def test_errors():
    code = (ROOT / "user" / "serve" / "answer.c").read_text()
    told = {(row[0], words(row[1])[0]) for row in rows("## Errors")}
    assert set(re.findall(r'\{(\d{3}), "(\w+)"', code)) == told


def test_what_diff_writes(pod, tmp_path):
    daemon, container = pod
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    for path, number in ((before, 4), (after, 8)):
        container.call("fill", container.map(number * MIB), number * MIB, 1)
        path.write_text(json.dumps(daemon.report(container.pid, all=1)))
    node = tmp_path / "node.json"
    node.write_text(json.dumps(daemon.report(all=1)))
    found = set()
    for a, b in ((before, after), (node, node)):
        out = subprocess.run([MEMPROV, "diff", "--all", "--format", "json", a, b], capture_output=True, check=True)
        found |= paths(json.loads(out.stdout))
    assert found == documented("### `memprov diff --format json`")


def test_what_is_told_of_a_kill(pod):
    daemon, _ = pod
    with memory_cgroup(LIMIT) as group:
        watched(daemon, group)
        with within(group, "leaks", 1000, LIMIT // 4) as other, within(group, "leaks", 50000) as target:
            target.process.wait()
            assert other.process.poll() is None
            oom, = until(lambda: of(daemon, target.pid), "the entry")
    # The report is a report, and growth is told of alerts (test_growth.py).
    oom["growth"], oom["report"] = [{}], {"age_ms": oom["report"]["age_ms"]}
    oom["victim"]["container"] = {}
    assert paths({"schema": 1, "ooms": [oom]}) - {"schema"} == documented("## Out of memory")


def test_what_run_writes(bpf, tmp_path):
    out = tmp_path / "run.json"
    subprocess.run([MEMPROV, "run", "--format", "json", "-o", out, "--", shutil.which("true")], check=True)
    report = json.loads(out.read_text())
    inner = documented("## The JSON report")
    for key in ("peak", "end"):
        assert paths(report[key]) <= inner
        report[key] = None
    assert paths(report) == documented("### `memprov run --format json`")


def test_history(pod):
    daemon, container = pod
    container.call("fill", container.map(8 * MIB), 8 * MIB, 1)

    def known():
        answer = daemon.get("/debug/memory/history", format="json", pid=container.pid)
        return answer.json if answer.status == 200 and any(s["owner"] for s in answer.json["callsites"]) else None

    assert paths(until(known, "a call site with an owner")) == documented("## History")
    difference = daemon.get("/debug/memory/diff", pid=container.pid).json
    assert difference["a"]["file"] is None
    assert paths(difference) <= documented("### `memprov diff --format json`")
