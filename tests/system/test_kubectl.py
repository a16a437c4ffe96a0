# SPDX-License-Identifier: BSD-2-Clause
"""`kubectl memprov`, by the real kubectl: against an API server of the test's own (api_server.py), which forwards to a real
daemon, and a pod that has a process here."""
import os
import subprocess

import pytest
import yaml

from api_server import ApiServer, pod as manifest
from certificates import Authority
from containers import Container, Pod
from memprov import HANG, ROOT, Daemon, until

pytestmark = pytest.mark.plain

PLUGIN = ROOT / "deploy" / "kubectl-memprov"
TOKEN, SECRET = "api-server-token", "memprov-secret-of-16"
LABELS = {"app.kubernetes.io/name": "memprov"}
PODS = [manifest("prod", "web-0", "node-1"), manifest("default", "web-1", "node-1"), manifest("prod", "pending", None, "Pending"),
        manifest("prod", "alone", "node-3"),
        manifest("memprov", "memprov-old", "node-1", "Failed", **LABELS), manifest("memprov", "memprov-a", "node-1", **LABELS),
        manifest("memprov", "memprov-b", "node-2", **LABELS), manifest("tools", "agent", "node-1", **LABELS)]


class Cluster:
    def __init__(self, directory, daemon, server):
        self.directory, self.daemon, self.server = directory, daemon, server

    def ask(self, *words, program=None, **more):
        """The plugin as kubectl calls it, from a directory of PATH."""
        env = {**os.environ, "PATH": f"{self.directory}/bin:{os.environ['PATH']}", "KUBECONFIG": str(self.directory / "config"),
               "HOME": str(self.directory), **more}
        return subprocess.run([*(program or ["kubectl", "memprov"]), *map(str, words)], capture_output=True, text=True, env=env,
                              timeout=HANG)

    def answer(self, *words):
        done = self.ask(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        # What it has begun is over.
        until(lambda: self.server.forwards == 0, "the forwarding to end")
        return done.stdout


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "tests")


@pytest.fixture(scope="module")
def cluster(bpf, tmp_path_factory, authority, request):
    options, tmp_path = getattr(request, "param", []), tmp_path_factory.mktemp("cluster")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl-memprov").symlink_to(PLUGIN)
    cert, key = authority.sign("server", usage="serverAuth", address="127.0.0.1")
    (tmp_path / "secret").write_text(SECRET + "\n")
    words = [{"CERT": cert, "KEY": key, "SECRET": tmp_path / "secret"}.get(word, word) for word in options]
    web = Pod(tmp_path, "prod", "web-0")
    with Daemon("--pod-logs", tmp_path, *map(str, words), wait_ready=False) as daemon, Container(web.cgroup) as container, \
            ApiServer(cert, key, TOKEN, PODS, {6060: daemon.port, 7000: daemon.port}) as server:
        web.link("nginx", container.id)
        (tmp_path / "config").write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "of the test",
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{server.server_port}",
                                                   "certificate-authority": str(authority.cert)}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}, {"name": "nobody", "user": {"token": "wrong"}}],
            "contexts": [{"name": "of the test", "context": {"cluster": "c", "user": "u"}},
                         {"name": "of prod", "context": {"cluster": "c", "user": "u", "namespace": "prod"}}]}))
        yield Cluster(tmp_path, daemon, server)


def test_each_question(cluster, tmp_path):
    until(lambda: cluster.ask("web-0", "-n", "prod").returncode == 0, "the daemon to know the pod")
    report = cluster.answer("web-0", "-n", "prod")
    assert "\nPod: prod/web-0\n" in report and "RSS (Resident): " in report
    posted = [path for method, path, _ in cluster.server.asked if path.endswith("/portforward")]
    assert set(posted) == {"/api/v1/namespaces/memprov/pods/memprov-a/portforward"}
    assert cluster.answer("web-0", "--namespace=prod", "flame").lower().startswith("<!doctype html>")
    assert cluster.answer("-n", "prod", "pod/web-0", "pprof", "-o", tmp_path / "pod.pb.gz") == ""
    assert (tmp_path / "pod.pb.gz").read_bytes()[:2] == b"\x1f\x8b"
    until(lambda: "RSS" in cluster.ask("web-0", "-n", "prod", "history").stdout, "history of the pod")
    assert "=== Killed For Want Of Memory ===" in cluster.answer("web-0", "-n", "prod", "oom")


def test_of_a_context_and_elsewhere(cluster):
    assert "Pod: prod/web-0" in cluster.answer("web-0", "--context", "of prod")
    assert "Pod: prod/web-0" in cluster.answer("--context=of prod", "web-0", "--agents", "tools", "--port", "7000")
    posted = [path for method, path, _ in cluster.server.asked if path.endswith("/portforward")]
    assert posted[-1] == "/api/v1/namespaces/tools/pods/agent/portforward"


@pytest.mark.parametrize("cluster", [["--tls-cert", "CERT", "--tls-key", "KEY", "--token-file", "SECRET", "--require-token"]],
                         indirect=True)
def test_token_and_tls(cluster, authority):
    """Of the daemon; those of the API server are there in every test."""
    tmp_path = cluster.directory
    tls = ["--cacert", authority.cert, "--server-name", "127.0.0.1"]
    until(lambda: cluster.ask("web-0", "-n", "prod", *tls, "--token-file", tmp_path / "secret").returncode == 0, "a report")
    assert "Pod: prod/web-0" in cluster.answer("web-0", "-n", "prod", *tls, "--token-file", tmp_path / "secret")
    (tmp_path / "wrong").write_text("not-the-secret-at-all\n")
    for words, said in ((tls, "memprov on node-1: "), ([*tls, "--token-file", tmp_path / "wrong"], "memprov on node-1: "),
                        ([*tls[:2], "--token-file", tmp_path / "secret"], "does not answer"),
                        ([*tls, "--token-file", tmp_path / "none"], f"cannot read {tmp_path}/none")):
        done = cluster.ask("web-0", "-n", "prod", *words)
        assert done.returncode == 1 and said in done.stderr and not done.stdout, done
        assert SECRET not in done.stderr


@pytest.mark.parametrize("words, code, said", [
    (["web-0"], 1, 'pods "web-0" not found'), (["pending", "-n", "prod"], 1, "pod prod/pending is on no node yet"),
    (["alone", "-n", "prod"], 1, "no memprov runs on node node-3"), (["web-1"], 1, "memprov on node-1: "),
    (["web-0", "-n", "prod", "--user", "nobody"], 1, "logged in"),
    ([], 2, "the pod is missing"), (["web-0", "top"], 2, "accepted: show, flame, pprof, history, oom"),
    (["web-0", "--bogus"], 2, "unknown option '--bogus'"), (["web-0", "-n"], 2, "-n: the value is missing"),
    (["web-0", "--port", "x"], 2, "--port"), (["web-0", "show", "more"], 2, "unexpected argument 'more'")],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "")
def test_what_goes_wrong(cluster, words, code, said):
    done = cluster.ask(*words)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert said in done.stderr
    assert not [name for name in os.listdir(cluster.directory) if name.startswith("tmp.")]


def test_without_kubectl(tmp_path):
    """It says so, and how it is used."""
    for tool in "sh", "cat":
        (tmp_path / tool).symlink_to(f"/bin/{tool}")
    done = subprocess.run([PLUGIN, "web-0"], capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "kubectl-memprov: there is no kubectl here, which it takes\n")
    done = subprocess.run([PLUGIN, "--help"], capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 0 and done.stdout.startswith("usage: kubectl memprov POD ")
