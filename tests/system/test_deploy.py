# SPDX-License-Identifier: BSD-2-Clause
"""What deploy/ has: the manifests are well-formed, and the daemon runs with exactly what they give it."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from confine import HELD
from containers import Container, Pod
from memprov import MEMPROV, MIB, ROOT, SLOWER, Daemon, read_line, until

KUBERNETES = ROOT / "deploy" / "kubernetes"


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def daemonset():
    return documents(KUBERNETES / "base" / "daemonset.yaml")[0]


def test_kustomizations_name_what_there_is():
    for path in KUBERNETES.rglob("kustomization.yaml"):
        kustomization = documents(path)[0]
        assert kustomization["kind"] == "Kustomization"
        for resource in kustomization["resources"]:
            assert (path.parent / resource).exists(), (path, resource)
        # Where kubectl is, it is the judge; Debian has none.
        if shutil.which("kubectl"):
            out = subprocess.run(["kubectl", "kustomize", str(path.parent)], capture_output=True,
                                 text=True)
            assert out.returncode == 0, out.stderr
            kinds = [doc["kind"] for doc in yaml.safe_load_all(out.stdout)]
            assert "DaemonSet" in kinds and "NetworkPolicy" in kinds


def test_no_registry_is_named():
    for path in (ROOT / "deploy").rglob("*"):
        if path.is_file():
            assert not re.search(r"(image|FROM|newName):? *[\w-]+\.[\w.-]+/", path.read_text()), path


def used():
    """As the program itself has them."""
    out = subprocess.run([MEMPROV, "doctor"], capture_output=True, text=True).stdout
    return set(re.findall(r"^\w+ +CAP_(\w+) ", out, re.M))


def test_the_systemd_unit_asks_for_no_more():
    unit = (ROOT / "deploy" / "memprov.service.in").read_text()
    names = re.search("^CapabilityBoundingSet=(.*)$", unit, re.M)[1].split()
    assert {name.removeprefix("CAP_") for name in names} == used()


def test_the_daemonset_asks_for_no_more(daemonset):
    spec = daemonset["spec"]["template"]["spec"]
    container = spec["containers"][0]
    security = container["securityContext"]
    assert spec["hostPID"] and not spec.get("hostNetwork")
    assert security["readOnlyRootFilesystem"] and not security["privileged"]
    assert security["capabilities"]["drop"] == ["ALL"]
    assert set(security["capabilities"]["add"]) == used() - {"NET_BIND_SERVICE"}
    host = {v["name"] for v in spec["volumes"] if "hostPath" in v}
    for mount in container["volumeMounts"]:
        assert mount.get("readOnly", False) == (mount["name"] in host), mount
    assert container["resources"]["limits"]["memory"]


def test_alert_rules(tmp_path):
    monitoring = KUBERNETES / "overlays" / "monitoring"
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(documents(monitoring / "prometheusrule.yaml")[0]["spec"]))
    out = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr


def test_what_is_asked_for_in_dashboards_and_rules_exists(bpf, tmp_path):
    """Every series that is named there is one that the daemon writes."""
    monitoring = KUBERNETES / "overlays" / "monitoring"
    text = (monitoring / "dashboard.json").read_text()
    assert json.loads(text)["panels"]
    text += (monitoring / "prometheusrule.yaml").read_text()
    wanted = {name for name in re.findall(r"(?<!:)\bmemprov_[a-z_]+", text)}
    pod = Pod(tmp_path, "prod", "web-0")
    with Daemon("--pod-logs", str(tmp_path)) as daemon, Container(pod.cgroup) as container:
        pod.link("nginx", container.id)
        written = {name.split("{")[0] for name in daemon.metrics()}
    # events_lost_total is there from the start, a name only where a process gives one.
    assert wanted - written <= {"memprov_named_region_resident_bytes"}, wanted - written


def mounts_of(daemonset, logs):
    """The container's mounts as the runtime would make them, with /var/log in another place."""
    spec = daemonset["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in spec["volumes"]}
    yield {"destination": "/sys", "type": "sysfs", "source": "sysfs",
           "options": ["ro", "nosuid", "noexec", "nodev"]}
    for mount in spec["containers"][0]["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "hostPath" not in volume:
            yield {"destination": mount["mountPath"], "type": "tmpfs", "source": "tmpfs",
                   "options": ["size=" + volume["emptyDir"]["sizeLimit"].rstrip("i").lower()]}
            continue
        source = volume["hostPath"]["path"].replace("/var/log", str(logs))
        yield {"destination": mount["mountPath"], "type": "bind", "source": source,
               "options": ["rbind", "ro"]}


class Deployed(Container):
    """The daemon in a container with what the manifest gives it, and nothing else."""

    def __init__(self, daemonset, logs):
        container = daemonset["spec"]["template"]["spec"]["containers"][0]
        args = [re.sub(r"(listen=[\d.]+):\d+", r"\1:0", arg) for arg in container["args"]]
        pod = Pod(logs, "memprov", "memprov-x")
        super().__init__(
            pod.cgroup, program=MEMPROV, argv=args, mounts=list(mounts_of(daemonset, logs)),
            namespaces=("mount", "ipc", "uts", "cgroup"), paths=("var/log/pods", "var/log/containers",
                                                                "run/memprov"),
            # This machine may itself lack some, and nobody can give what they do not have.
            capabilities=["CAP_" + c for c in container["securityContext"]["capabilities"]["add"]
                          if c.lower() in HELD])
        self.host, self.port = re.search(r"http://([\d.]+):(\d+)/", self.line())[1], 0

    connection, request, get, report, text = (
        Daemon.connection, Daemon.request, Daemon.get, Daemon.report, Daemon.text)


def test_it_runs_with_exactly_that(bpf, daemonset, tmp_path):
    logs = tmp_path / "log"
    logs.mkdir()
    pod = Pod(logs, "prod", "web-0")
    with Deployed(daemonset, logs) as daemon, Container(pod.cgroup, limit=64 * MIB) as target:
        metrics = daemon.line()
        daemon.port = int(re.search(r":(\d+)/metrics", metrics)[1])
        until(lambda: daemon.get("/readyz").status == 200, 20 * SLOWER, "the daemon to be ready")
        pod.link("nginx", target.id)
        text = daemon.get("/metrics").text
        assert f'namespace="prod",pod="web-0",container="nginx"' in text
        status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert daemon.get("/debug/memory").status == 404
