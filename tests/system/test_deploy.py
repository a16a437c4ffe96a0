# SPDX-License-Identifier: BSD-2-Clause
"""What deploy/ has: the manifests are well-formed, and the daemon runs from the image's root with exactly
what they give it."""
import copy
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import kubernetes
import pytest
import yaml

import image
from confine import HELD
from containers import Container, Pod
from memprov import HANG, MEMPROV, MIB, ROOT, Daemon, Target, UnixConnection, check_sums, until

pytestmark = pytest.mark.plain

KUBERNETES = ROOT / "deploy" / "kubernetes"


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def daemonset():
    return documents(KUBERNETES / "base" / "daemonset.yaml")[0]


def rendered(kustomization):
    """As `kubectl apply -k` would send it."""
    out = subprocess.run(["kubectl", "kustomize", str(kustomization)], capture_output=True, text=True)
    assert (out.returncode, out.stderr) == (0, ""), out.stderr
    return list(yaml.safe_load_all(out.stdout))


def pod_spec(daemonset):
    return daemonset["spec"]["template"]["spec"]


def find(kind, manifests):
    return next(m for m in manifests if m["kind"] == kind)


def check_schema(manifest):
    """Every field is one that the API has, of the type that it has, and none that it wants is missing:
    read into its client's classes, which are made from its schema, and written out again."""
    class Response:
        data = json.dumps(manifest)

    client = kubernetes.client.ApiClient()
    name = manifest["apiVersion"].rsplit("/", 1)[-1].capitalize() + manifest["kind"]
    assert client.sanitize_for_serialization(client.deserialize(Response, name)) == manifest


OPERATOR = "monitoring.coreos.com/v1"  # what its kinds must be is not among Debian's packages


def kubectl_builds_overlays():
    """Debian's (1.20) is too old for these: there is only the schema to judge."""
    if not shutil.which("kubectl"):
        return False
    said = subprocess.run(["kubectl", "version", "--client", "--output", "json"], capture_output=True, check=True).stdout
    return int(re.match(r"\d+", json.loads(said)["clientVersion"]["minor"])[0]) >= 21


@pytest.mark.parametrize("path", [path for path in sorted(KUBERNETES.rglob("kustomization.yaml"))
                                  if kubectl_builds_overlays()] or [None],
                         ids=lambda path: path.parent.name if path else "no kubectl")
def test_what_kubectl_sends(path, daemonset):
    if not path:
        check_schema(daemonset)
        return
    manifests = rendered(path.parent)
    kinds = sorted(m["kind"] for m in manifests)
    assert set(kinds) >= {"DaemonSet", "NetworkPolicy", "Namespace", "ServiceAccount"}
    for manifest in manifests:
        if manifest["apiVersion"] != OPERATOR:
            check_schema(manifest)
        if manifest["kind"] not in ("Namespace", "PriorityClass"):
            assert manifest["metadata"]["namespace"] == "memprov"
    ours, sent = copy.deepcopy(daemonset), find("DaemonSet", manifests)
    if path.parent.name == "privileged":
        pod_spec(ours)["containers"][0]["securityContext"] = {
            "privileged": True, "readOnlyRootFilesystem": True, "runAsUser": 0}
    if path.parent.name == "alertmanager":
        url, = (word.split("=", 1)[1] for word in pod_spec(sent)["containers"][0]["args"] if "alertmanager" in word)
        pod_spec(ours)["containers"][0]["args"].append(f"--alertmanager={url}")
        # It may go where that is, and to the DNS.
        target = urllib.parse.urlsplit(url)
        egress = find("NetworkPolicy", manifests)["spec"]["egress"]
        allowed = {(rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
                    port["port"], port["protocol"]) for rule in egress for port in rule["ports"]}
        assert allowed == {(target.hostname.split(".")[1], target.port, "TCP"),
                           ("kube-system", 53, "UDP"), ("kube-system", 53, "TCP")}
    else:
        assert find("NetworkPolicy", manifests)["spec"]["egress"] == []
    pod_spec(ours)["containers"][0]["image"] += "@sha256:" + 64 * "0"
    assert pod_spec(sent) == pod_spec(ours)


def test_the_schema_is_strict(daemonset):
    """Or the test above would show nothing."""
    check_schema(daemonset)
    for path, value in ((("containers", 0, "livenessProbe", "timeoutSeconds"), "5"),
                        (("containers", 0, "securityContext", "readOnlyRootFileSystem"), True),
                        (("volumes", 0, "hostpath"), {"path": "/"}), (("containers",), None)):
        wrong = copy.deepcopy(daemonset)
        place = pod_spec(wrong)
        for word in path[:-1]:
            place = place[word]
        place[path[-1]] = value
        with pytest.raises((AssertionError, ValueError)):
            check_schema(wrong)


def test_selectors_find_the_pods(daemonset):
    """Of the policy and of the PodMonitor; and the port that they name is there."""
    labels = daemonset["spec"]["template"]["metadata"]["labels"]
    ports = [port["name"] for port in pod_spec(daemonset)["containers"][0]["ports"]]
    policy = documents(KUBERNETES / "base" / "networkpolicy.yaml")[0]["spec"]
    monitor = documents(KUBERNETES / "overlays" / "monitoring" / "podmonitor.yaml")[0]["spec"]
    for selector in (policy["podSelector"], monitor["selector"], daemonset["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert [p["port"] for rule in policy["ingress"] for p in rule["ports"]] == ports
    assert [e["port"] for e in monitor["podMetricsEndpoints"]] == ports


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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `make install` leaves, for an administrator whose new files are private."""
    directory = tmp_path_factory.mktemp("installed")
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["make", "-s", "install", "PREFIX=/usr", f"DESTDIR={directory}"], check=True, cwd=ROOT,
                   env=env, umask=0o077, stdout=subprocess.DEVNULL)
    return directory


def test_all_users_can_use_what_is_installed(installed):
    found = {str(path.relative_to(installed)): path.stat().st_mode & 0o7777
             for path in installed.rglob("*")}
    files = {"usr/bin/memprov": 0o755, "usr/share/man/man1/memprov.1": 0o644,
             "usr/bin/kubectl-memprov": 0o755, "usr/share/man/man1/kubectl-memprov.1": 0o644,
             "usr/lib/systemd/system/memprov.service": 0o644,
             "usr/share/bash-completion/completions/memprov": 0o644,
             "usr/share/zsh/vendor-completions/_memprov": 0o644,
             "usr/share/fish/vendor_completions.d/memprov.fish": 0o644,
             "usr/share/doc/memprov/LICENSE": 0o644, "usr/share/doc/memprov/LICENSE.d3": 0o644}
    directories = {str(parent): 0o755 for path in files for parent in pathlib.Path(path).parents
                   if str(parent) != "."}
    assert found == files | directories


def test_how_exposed_the_systemd_unit_is(installed):
    """As systemd itself counts, from 0 to 10; its comments say why the rest is left open."""
    unit = installed / "usr/lib/systemd/system/memprov.service"
    out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
                         capture_output=True, text=True)
    assert (out.returncode, out.stderr) == (0, ""), out.stderr  # it complains of words that it does not know
    assert float(re.search(r"Overall exposure level for memprov.service: ([\d.]+)", out.stdout)[1]) <= 4.3
    settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if re.match(r"\w+=", line))
    # What it does not count.
    assert {name: settings.get(name) for name in ("MemoryMax", "CPUQuota", "LimitCORE", "UMask")} == {
        "MemoryMax": "512M", "CPUQuota": "100%", "LimitCORE": "0", "UMask": "0077"}


def test_the_bill_of_materials(tmp_path):
    """Of what dpkg has installed, and of no more: each once, by what it is called, its version and its architecture."""
    (tmp_path / "status").write_text("".join(
        f"Package: {name}\nStatus: {status}\nArchitecture: {architecture}\nVersion: {version}\nMaintainer: x\n"
        f"Source: {source}\nDescription: x\n\n" for name, status, architecture, version, source in (
            ("libstdc++6", "install ok installed", "amd64", "12.2.0-14+deb12u1", "gcc-12"),
            ("zlib1g", "install ok installed", "amd64", "1:1.2.13.dfsg-1", "zlib (1.2)"),
            ("gone", "deinstall ok config-files", "all", "1~rc", "gone"))))
    made = subprocess.run([ROOT / "deploy" / "sbom", MEMPROV], capture_output=True, text=True, check=True, env={
        **os.environ, "DPKG_ADMINDIR": str(tmp_path), "SOURCE_DATE_EPOCH": "0"})
    bill = json.loads(made.stdout)
    assert (bill["spdxVersion"], bill["dataLicense"], bill["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert bill["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    ours, *packages = bill["packages"]
    assert ours["checksums"] == [{"algorithm": "SHA256", "checksumValue":
                                  hashlib.sha256(pathlib.Path(MEMPROV).read_bytes()).hexdigest()}]
    assert [(p["SPDXID"], p["name"], p["versionInfo"], p["sourceInfo"], p["externalRefs"][0]["referenceLocator"])
            for p in packages] == [
        ("SPDXRef-libstdc.plus.plus6-amd64", "libstdc++6", "12.2.0-14+deb12u1", "gcc-12 12.2.0-14+deb12u1",
         "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64"),
        ("SPDXRef-zlib1g-amd64", "zlib1g", "1:1.2.13.dfsg-1", "zlib 1.2", "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64")]
    assert [r["relatedSpdxElement"] for r in bill["relationships"]] == [p["SPDXID"] for p in bill["packages"]]


def test_no_image_is_the_latest():
    """A node that starts later would run another one."""
    text = (KUBERNETES / "base" / "kustomization.yaml").read_text()
    (image_,) = yaml.safe_load(text)["images"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", image_["digest"]) and "newTag" not in image_
    for path in KUBERNETES.rglob("*.yaml"):
        assert not re.search(r":latest|newTag: *latest", path.read_text()), path


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
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}


def test_requests_are_what_was_measured(daemonset):
    """What the bench found beside 2,000 idle processes: half of that again is left for reports, no more."""
    text = (ROOT / "docs" / "benchmarks-run.md").read_text()
    header, row = (re.search(rf"^\| {start}.*$", text, re.M)[0].strip("| ").split(" | ")
                   for start in (r"processes \| CPU", "2,000"))
    measured = {name: float(value.strip("%").replace(",", "")) for name, value in zip(header, row)}
    # The ring's pages are mapped twice.
    memory = (measured["RSS without ring"] + measured["ring"] / 2 + measured["child's RSS"] + measured["BPF maps"])
    requests = daemonset["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert memory < int(requests["memory"].removesuffix("Mi")) < 1.5 * memory
    assert measured["CPU, of a core"] * 10 < int(requests["cpu"].removesuffix("m"))


def test_alert_rules(tmp_path):
    """Which of them fire, when, and what they say: tests/fixtures/alert_rules_test.yaml has a case for each."""
    spec = documents(KUBERNETES / "overlays" / "monitoring" / "prometheusrule.yaml")[0]["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    cases = shutil.copy(ROOT / "tests" / "fixtures" / "alert_rules_test.yaml", tmp_path)
    for words in (["check", "rules", tmp_path / "rules.yaml"], ["test", "rules", cases]):
        out = subprocess.run(["promtool", *words], capture_output=True, text=True)
        assert out.returncode == 0, out.stdout + out.stderr
    fired = {case["alertname"] for document in documents(pathlib.Path(cases)) for test in document["tests"]
             for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    assert fired == {rule["alert"] for group in spec["groups"] for rule in group["rules"] if "alert" in rule}


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
    # events_lost_total is there from the start; a name only where a process gives one, a slope only where one grows.
    missing = wanted - written - {"memprov_named_region_resident_bytes", "memprov_growth_bytes_per_second"}
    assert not missing, missing


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
    """The daemon in a container of its image, with what the manifest gives it, and nothing else. The
    pod has a network of its own, as there: one asks by the socket, or from within."""

    def __init__(self, daemonset, logs):
        container = pod_spec(daemonset)["containers"][0]
        self.readonly = container["securityContext"]["readOnlyRootFilesystem"]
        limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * MIB
        super().__init__(
            Pod(logs, "memprov", "memprov-x").cgroup, limit=limit, program="memprov",
            argv=container["args"],
            mounts=list(mounts_of(daemonset, logs)),
            namespaces=("mount", "ipc", "uts", "network", "cgroup"),
            paths=[mount["mountPath"].lstrip("/") for mount in container["volumeMounts"]
                   if not mount["mountPath"].startswith("/sys/")],
            # This machine may itself lack some, and none can be given that is not there.
            capabilities=["CAP_" + c for c in container["securityContext"]["capabilities"]["add"]
                          if c.lower() in HELD])
        assert "http://127.0.0.1:6060/" in self.line() and ":9464/metrics" in self.line()

    def fill(self):
        return image.make(self.root)

    def connection(self):
        return UnixConnection(f"/proc/{self.pid}/root/run/memprov/memprov.sock", HANG)

    def curl(self, url):
        """From within the pod, as the kubelet's probes and `kubectl port-forward` ask. (status, text)"""
        out = subprocess.run(["nsenter", "-t", str(self.pid), "-n", "curl", "-s", "-w", "%{http_code}",
                              url], capture_output=True, text=True)
        return int(out.stdout[-3:]), out.stdout[:-3]

    request, get, report, text = Daemon.request, Daemon.get, Daemon.report, Daemon.text


@pytest.fixture
def logs(tmp_path):
    path = tmp_path / "log"
    path.mkdir()
    return path


def test_it_runs_with_exactly_that(bpf, daemonset, logs):
    pod = Pod(logs, "prod", "web-0")
    container = pod_spec(daemonset)["containers"][0]
    with Deployed(daemonset, logs) as daemon, Container(pod.cgroup, limit=64 * MIB) as target:
        pod.link("nginx", target.id)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container[probe]["httpGet"]
            port = next(p for p in container["ports"] if p["name"] == asked["port"])["containerPort"]
            until(lambda: daemon.curl(f"http://127.0.0.1:{port}{asked['path']}") == (200, "ok\n"),
                  probe)
        status, text = daemon.curl("http://127.0.0.1:9464/metrics")
        assert status == 200 and 'namespace="prod",pod="web-0",container="nginx"' in text
        assert daemon.curl("http://127.0.0.1:9464/debug/memory")[0] == 404
        assert "nginx of pod prod/web-0" in daemon.curl(
            f"http://127.0.0.1:6060/debug/memory?pid={target.pid}")[1]
        status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        mounts = [line.split() for line in
                  pathlib.Path(f"/proc/{daemon.pid}/mountinfo").read_text().splitlines()]
        writable = {words[4] for words in mounts if "ro" not in words[5].split(",")}
        # What is mounted below a host's directory comes along as it is, by Kubernetes too.
        assert {path for path in writable if not path.startswith(("/proc", "/sys/fs/cgroup/"))} == \
            {"/run/memprov", "/tmp", "/var/lib/memprov"}


def test_its_image_has_what_alerts_take(bpf, daemonset, logs):
    """An HTTP client and the CAs that https takes: the daemon loads it, and may connect."""
    told = copy.deepcopy(daemonset)
    pod_spec(told)["containers"][0]["args"].append("--alertmanager=https://alertmanager.monitoring.svc:9093")
    with Deployed(told, logs) as daemon:
        until(lambda: daemon.curl("http://127.0.0.1:9464/readyz") == (200, "ok\n"), "it to be ready")
        assert 'memprov_notifications_total{result="sent"} 0\n' in daemon.curl("http://127.0.0.1:9464/metrics")[1]
        assert "/libcurl-gnutls.so" in pathlib.Path(f"/proc/{daemon.pid}/maps").read_text()
    words = " ".join(rest for word, rest in image.instructions()[-1] if word == "RUN").split()
    assert "ca-certificates" in words


def test_it_knows_a_redis_of_the_host(bpf, daemonset, logs, tmp_path):
    """From within its image: the call sites, with names that are in the host's files."""
    socket = tmp_path / "redis.sock"
    with Deployed(daemonset, logs) as daemon:
        until(lambda: daemon.get("/readyz").status == 200, "the daemon to be ready")
        with Target("/usr/bin/redis-server", "--port", "0", "--unixsocket", socket, "--save",
                    "") as redis:
            until(socket.exists, "redis to listen")

            def owners():
                report = daemon.report(redis.pid, all=1)
                check_sums(report)
                assert report["tracing"]["state"] == "complete" and report["comm"] == "redis-server"
                return {(site["owner"]["function"], site["owner"]["module"])
                        for site in report["callsites"] if site["owner"]}

            # Redis starts its threads there.
            path = os.path.realpath("/usr/bin/redis-server")
            until(lambda: ("bioInit", path) in owners(), "its call sites")
