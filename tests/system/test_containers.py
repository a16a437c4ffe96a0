# SPDX-License-Identifier: BSD-2-Clause
"""Which container memory belongs to: real containers, made by runc with a kubelet's cgroup paths."""
import os
import pathlib
import shutil
import subprocess

import pytest

from containers import NAMESPACES, Container, Pod
from memprov import MAP_SHARED, MIB, PAGE, Daemon, check_sums, region_at
from test_access import get_as_nobody

MADV_POPULATE_WRITE = 23


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def traced(bpf, logs):
    with Daemon("--pod-logs", str(logs)) as daemon:
        yield daemon


@pytest.fixture
def pod(logs):
    pod = Pod(logs, "prod", "web-0")
    yield pod
    shutil.rmtree(logs / "pods")
    shutil.rmtree(logs / "containers")


@pytest.fixture
def nginx(traced, pod):
    with Container(pod.cgroup, limit=64 * MIB) as container:
        pod.link("nginx", container.id)
        yield container


def of(container, pod, name, runtime=None):
    return {"id": container.id, "runtime": runtime, "pod": pod.name, "namespace": pod.namespace,
            "name": name, "pod_uid": pod.uid}


def test_a_process_is_its_pods(traced, pod, nginx):
    report = traced.report(nginx.pid)
    assert report["container"] == of(nginx, pod, "nginx")
    assert report["cgroup"]["path"] == nginx.cgroup
    assert report["cgroup"]["limit"] == 64 * MIB
    assert 0 < report["cgroup"]["working_set"] <= report["cgroup"]["current"] < 64 * MIB
    assert "bridge" not in report["cgroup"]
    assert f"Container: nginx of pod prod/web-0 ({nginx.id[:12]})\n" in traced.text(nginx.pid)
    row = next(row for row in traced.get("/debug/memory/processes", format="json").json["processes"]
               if row["pid"] == nginx.pid)
    assert row["container"] == report["container"]
    assert traced.report(traced.pid)["container"] is None


def test_its_call_sites_are_read_from_its_own_root(traced, nginx):
    """The agent and its libc are in no place that the host has them in; the user namespace's root
    owns them."""
    start = nginx.map(8 * MIB)
    report = traced.report(nginx.pid, all=1)
    region = region_at(report, start)
    site = next(s for s in report["callsites"] if s["id"] == region["callsite"])
    assert site["owner"]["module"] == "/app/agent"
    names = [frame["function"] for frame in site["stack"]]
    assert "main" in names and site["stack"][-1]["function"] == "_start", names
    assert not site["truncated"]


def test_a_pod_is_the_sum_of_its_members(traced, pod, nginx):
    with Container(pod.cgroup) as redis:
        pod.link("redis", redis.id)
        child = redis.fork()
        redis.map(4 * MIB)
        answer = traced.get("/debug/memory", pod=pod, format="json")
        assert answer.status == 200, answer.text
        group = answer.json
        members = {row["pid"]: row for row in group["processes"]}
        assert len(members) == 3 and {nginx.pid, redis.pid} < set(members)
        assert {row["container"]["name"] for row in members.values()} == {"nginx", "redis"}
        check_sums(group)
        assert group["pid"] is None
        assert group["totals"]["rss"] == sum(row["rss"] for row in members.values())
        assert group["container"] == {"id": None, "runtime": None, "pod": "web-0",
                                      "namespace": "prod", "name": None, "pod_uid": pod.uid}
        assert group["cgroup"]["path"] == pod.cgroup
        for id in (redis.id, redis.id[:12]):
            one = traced.get("/debug/memory", container=id, format="json").json
            assert {row["pid"] for row in one["processes"]} == set(members) - {nginx.pid}
            assert one["container"] == of(redis, pod, "redis")
            assert one["cgroup"]["path"] == redis.cgroup
        sites = traced.get("/debug/memory/callsites", container=redis.id, format="json").json
        assert any(site["mapped"] == 4 * MIB for site in sites["callsites"])
        assert "=== Control Group ===" in traced.get("/debug/memory", pod=pod).text
        assert child.pid  # a number of its own namespace


def test_the_bridge_has_no_gap(traced, pod, nginx):
    """From the processes' PSS to what the cgroup is charged for: what was touched is in it."""
    group = traced.get("/debug/memory", container=nginx.id, format="json").json
    before = group["cgroup"]
    start = nginx.map(8 * MIB)
    nginx.call("madvise", start, 8 * MIB, MADV_POPULATE_WRITE)
    after = traced.get("/debug/memory", container=nginx.id, format="json").json["cgroup"]
    for cgroup in (before, after):
        bridge = {k: v for k, v in cgroup["bridge"].items() if k != "of_kernel"}
        assert sum(bridge.values()) == cgroup["current"], cgroup
    assert after["bridge"]["pss"] - before["bridge"]["pss"] >= 8 * MIB
    # Charges are counted in batches by CPU (MEMCG_CHARGE_BATCH, 64 pages).
    assert after["current"] - before["current"] >= 8 * MIB - 64 * PAGE * os.cpu_count()
    # The mapping is in the first term and in no other.
    assert abs(after["bridge"]["anonymous"] - before["bridge"]["anonymous"]) < MIB
    assert abs(after["bridge"]["other"] - before["bridge"]["other"]) < MIB


def test_a_file_in_tmpfs_is_named(traced, pod):
    """What the cgroup holds beyond its processes is said to be what it is."""
    mount = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=32m"]}
    with Container(pod.cgroup, mounts=[mount]) as container:
        before = traced.get("/debug/memory", container=container.id, format="json").json["cgroup"]
        # The container's own process writes it, so that its cgroup is charged.
        fd = container.call("openat", -100, b"/tmp/file\0", os.O_RDWR | os.O_CREAT, 0o600)
        container.call("ftruncate", fd, 8 * MIB)
        memory = container.map(8 * MIB, flags=MAP_SHARED, fd=fd)
        container.call("madvise", memory, 8 * MIB, MADV_POPULATE_WRITE)
        container.call("munmap", memory, 8 * MIB)
        after = traced.get("/debug/memory", container=container.id, format="json").json["cgroup"]
        grown = after["bridge"]["shared_memory"] - before["bridge"]["shared_memory"]
        assert 8 * MIB <= grown < 9 * MIB, (before, after)
        assert abs(after["bridge"]["page_cache"] - before["bridge"]["page_cache"]) < MIB


def test_by_its_own_pid(traced, nginx):
    report = traced.get("/debug/memory", nspid=1, container=nginx.id[:12], format="json").json
    assert report["pid"] == nginx.pid
    worker = nginx.fork()
    report = traced.get("/debug/memory", nspid=worker.pid, container=nginx.id, format="json").json
    assert report["pid"] not in (worker.pid, nginx.pid)
    status = pathlib.Path(f"/proc/{report['pid']}/status").read_text()
    assert f"NSpid:\t{report['pid']}\t{worker.pid}\n" in status
    answer = traced.get("/debug/memory", nspid=77, container=nginx.id, format="json")
    assert (answer.status, answer.json["error"]["code"]) == (404, "no_such_process")


def test_what_is_not_there(traced, nginx):
    for query, code in [({"pod": "prod/web-1"}, "no_such_pod"),
                        ({"pod": "test/web-0"}, "no_such_pod"),
                        ({"container": "0123456789ab"}, "no_such_container"),
                        ({"container": "0123456789ab", "nspid": 1}, "no_such_process")]:
        answer = traced.get("/debug/memory", format="json", **query)
        assert (answer.status, answer.json["error"]["code"]) == (404, code), answer.text
        assert "\n" not in answer.json["error"]["message"]
    for query, word in [({"pid": 1, "pod": "prod/web-0"}, "pid and pod"),
                        ({"pid": 1, "container": nginx.id}, "pid and container"),
                        ({"nspid": 1}, "container"), ({"container": nginx.id[:11]}, "12 digits"),
                        ({"pod": "web-0"}, "NAMESPACE/NAME")]:
        for path in ("/debug/memory", "/debug/memory/callsites"):
            answer = traced.get(path, **query)
            assert answer.status == 400 and word in answer.text, answer.text
    assert traced.get("/debug/memory/processes", pod="prod/web-0").status == 400


def test_a_user_does_not_learn_of_others_containers(traced, pod, nginx):
    """Nothing tells a user that there is a container, a pod, or an id that begins so."""
    def changed(text):
        return text[:-1] + ("0" if text[-1] != "0" else "1")

    for query in ("pod={}", "container={}", "nspid=1&container={}"):
        there = str(pod) if query.startswith("pod") else nginx.id[:12]
        absent = changed(there)
        status, body = get_as_nobody(traced, "/debug/memory?" + query.format(there))
        assert status == 404, body
        assert (status, body.replace(there, absent)) == \
            get_as_nobody(traced, "/debug/memory?" + query.format(absent))


def test_an_id_that_two_begin_with_is_not_theirs(traced, pod):
    """That it is ambiguous would tell of both."""
    id = os.urandom(31).hex()
    with Container("/docker/{id}", id=id + "ab") as one, Container("/docker/{id}", id=id + "cd"):
        query = f"container={one.id[:12]}"
        assert traced.get("/debug/memory", container=one.id[:12]).status == 400
        assert get_as_nobody(traced, f"/debug/memory?{query}")[0] == 404


def test_systemds_names_and_the_environment(traced, pod):
    """The cgroup tells the runtime; what the process says of itself does not count."""
    uid = pod.uid.replace("-", "_")
    slice = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice"
    lies = ["HOSTNAME=web-9", "POD_NAME=web-9", "POD_NAMESPACE=kube-system"]
    with Container(slice + "/cri-containerd-{id}.scope", env=lies) as container:
        assert traced.report(container.pid)["container"] == of(container, pod, None, "containerd")
        pod.link("app", container.id)
        assert traced.report(container.pid)["container"] == of(container, pod, "app", "containerd")


def test_a_container_cannot_pose_as_another(traced, pod, nginx):
    """It may make cgroups below its own, and call them what it wants."""
    victim = Pod(traced_logs(pod), "kube-system", "secrets")
    fake = f"{nginx.cgroup}/kubepods/burstable/pod{victim.uid}"
    with Container(fake) as impostor:
        victim.link("vault", impostor.id)
        assert traced.report(impostor.pid)["container"] == of(nginx, pod, "nginx")
        assert traced.get("/debug/memory", pod=victim).status == 404


def traced_logs(pod):
    return pod.logs


def test_a_docker_container_has_no_pod(traced, pod):
    with Container("/docker", namespaces=NAMESPACES[:-1]) as container:
        assert traced.report(container.pid)["container"] == {
            "id": container.id, "runtime": "docker", "pod": None, "namespace": None, "name": None,
            "pod_uid": None}


def test_metrics_by_container(traced, pod, nginx):
    rows = {name: value for name, value in traced.metrics().items()
            if name.startswith("memprov_container_resident_bytes")}
    assert len(rows) == 5
    assert all('namespace="prod",pod="web-0",container="nginx"' in name for name in rows)
    assert sum(rows.values()) > 0
    text = traced.get("/metrics").body
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert lint.returncode == 0 and not lint.stderr and not lint.stdout, lint


def test_names_come_and_go(traced, pod, nginx):
    name = lambda: traced.report(nginx.pid)["container"]["name"]  # noqa: E731
    assert name() == "nginx"
    for link in (pod.logs / "containers").iterdir():
        link.unlink()
    assert name() is None
    pod.link("proxy", nginx.id)
    assert name() == "proxy"
