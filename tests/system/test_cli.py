# SPDX-License-Identifier: BSD-2-Clause
"""memprov show, doctor and serve on the command line: what they print, and how they end."""
import json
import os
import re
import socket
import subprocess
import tempfile

import pytest

from memprov import (GIVEN, HANG, MEMPROV, MIB, Agent, Daemon, Target, breakdown_sum, check_sums, region_at, smaps,
                     stopped)
from screen import Terminal

# Another user's program must be able to read it, and to run it.
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
NO_DAEMON = "/tmp/memprov-test-no-daemon.sock"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="not root")


def run(*args, prefix=(), **more):
    return subprocess.run([*prefix, MEMPROV, *map(str, args)], capture_output=True, text=True,
                          timeout=HANG, **more)


def good(*args, **more):
    done = run(*args, **more)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def one_line(done, code):
    """It failed as it should: the exit code, and one line that says why. The line."""
    assert done.returncode == code, done
    assert done.stdout == "", done
    assert done.stderr.startswith("memprov: ") and done.stderr.endswith("\n"), done
    assert done.stderr.count("\n") == 1, done
    return done.stderr


@pytest.fixture
def named(daemon):
    with Target("named_region") as target:
        target.address = int(target.line(), 16)
        target.settle()
        yield target


def test_show_asks_the_daemon(daemon, named):
    text = good("show", named.pid, "--socket", daemon.socket)
    assert "  TXMetaCache                                      40 MB\n" in text
    assert "Tracing: complete" in text and "No call sites" not in text
    assert "=== Top 20 Memory Regions ===" in text


@pytest.mark.parametrize("spelling", [
    ["PID"], ["--pid", "PID"], ["-pid", "PID"], ["--pid=PID"], ["-pid=PID"]])
def test_spellings(daemon, named, spelling):
    words = [word.replace("PID", str(named.pid)) for word in spelling]
    report = json.loads(good("show", *words, "--format", "json", "--socket", daemon.socket))
    assert report["pid"] == named.pid
    assert region_at(report, named.address)["name_source"] in GIVEN


def test_show_by_name(daemon):
    """Of the one that is called so; part of a name will do where nothing is called so; several are listed."""
    for socket_path in daemon.socket, NO_DAEMON:
        with Agent() as agent, Agent() as other:
            agent.call("prctl", 15, b"mp-unique-one\0")
            other.call("prctl", 15, b"mp-unique-other\0")
            for name in "mp-unique-one", "unique-ONE":
                report = json.loads(good("show", name, "--format", "json", "--socket", socket_path))
                assert report["pid"] == agent.pid
            done = run("show", "mp-unique", "--socket", socket_path)
            assert done.returncode == 1
            assert {row.split()[0] for row in done.stdout.splitlines()[1:]} == {str(agent.pid), str(other.pid)}
            assert re.fullmatch(r"memprov: 2 processes are called 'mp-unique'; takes the PID of one, such as "
                                r"'memprov show \d+'\n", done.stderr)
            # Not as a report that a program reads.
            assert "2 processes" in one_line(run("show", "mp-unique", "--format", "json", "--socket", socket_path), 1)
        line = one_line(run("show", "no such\n process", "--socket", socket_path), 1)
        assert "memprov top --once --all" in line


def on_a_terminal(*args, **env):
    with Terminal(*args, env=env) as screen:
        screen.ended()
        return screen.raw


def test_colors(daemon, named):
    show = ["show", named.pid, "--socket", daemon.socket]
    plain = good(*show)
    bold = good(*show, "--color", "always")
    assert "\033" not in plain and "\033[1m=== Totals ===\033[0m\n" in bold
    assert "\033" not in good(*show, "--color", "always", "--format", "json")
    assert b"\033[1m=== Totals" in on_a_terminal(*show)
    assert b"\033[1m" not in on_a_terminal(*show, NO_COLOR="1") + on_a_terminal(*show, TERM="dumb")
    assert b"\033[1m" not in on_a_terminal(*show, "--color", "never")
    assert "\033[32myes\033[0m" in good("doctor", "--color", "always") and "\033" not in good("doctor")


def test_options_of_the_replaced_analyzer(daemon, named):
    text = good("show", "-pid", named.pid, "-top", "5", "-socket", daemon.socket)
    assert "=== Top 5 Memory Regions ===" in text
    table = text.split("-" * 120 + "\n")[1].split("\n\n")[0]
    assert len(table.splitlines()) == 5
    everything = good("show", "-pid", named.pid, "-top", "5", "-all", "-socket", daemon.socket)
    assert "=== All Memory Regions ===" in everything
    table = everything.split("-" * 120 + "\n")[1].split("\n\n")[0]
    assert len(table.splitlines()) == len(daemon.report(named.pid, all=1)["regions"])


def test_scripts_for_the_replaced_analyzer_still_work(daemon, named):
    text = good("show", named.pid, "--unit", "kB", "--socket", daemon.socket)
    awk = subprocess.run("grep 'RSS (Resident)' | awk '{print $3}'", shell=True, input=text,
                         capture_output=True, text=True).stdout
    assert int(awk) == sum(v.kb["Rss"] for v in smaps(named.pid))


def test_json(daemon, named):
    with stopped(named.pid):
        report = json.loads(good("show", named.pid, "--format=json", "--all", "--socket",
                                 daemon.socket))
        check_sums(report)
        assert report["totals"]["rss"] == sum(v.rss for v in smaps(named.pid))
    assert report["tracing"]["state"] == "complete"


def test_a_file(daemon, named, tmp_path):
    out = tmp_path / "report.json"
    out.write_text("old")
    assert good("show", named.pid, "--format", "json", "-o", out, "--socket", daemon.socket) == ""
    assert json.loads(out.read_text())["pid"] == named.pid
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.json"]
    line = one_line(run("show", named.pid, "-o", tmp_path / "no" / "such", "--socket",
                        daemon.socket), 1)
    assert str(tmp_path / "no") in line
    line = one_line(run("show", named.pid, "-o", "/dev/full", "--socket", daemon.socket), 1)
    assert "/dev/full" in line


def test_a_full_standard_output(daemon, named):
    done = subprocess.run([MEMPROV, "show", str(named.pid), "--socket", daemon.socket],
                          stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("memprov: ") and done.stderr.count("\n") == 1


def test_without_a_daemon(bpf):
    """From smaps alone, saying so; the daemon's absence is not an error."""
    with Target("named_region") as target:
        target.line()
        text = good("show", target.pid, "--socket", NO_DAEMON)
        assert re.search(r"^No call sites: .*" + re.escape(NO_DAEMON), text, re.M)
        with stopped(target.pid):
            report = json.loads(good("show", target.pid, "--format", "json", "--all", "--socket",
                                     NO_DAEMON))
            check_sums(report)
            assert report["totals"]["rss"] == sum(v.rss for v in smaps(target.pid))
    assert report["tracing"] == {"state": "off", "since": None, "backend": "none",
                                 "lost_events": 0}
    assert report["coverage"]["attributed"] == report["coverage"]["predates"] == 0
    # Memory whose creation was not seen is not said to have come while it was traced.
    assert "came while tracing" not in text


def test_a_socket_without_a_daemon(tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    assert "No call sites" in good("show", "--socket", path)


def test_itself():
    report = json.loads(good("show", "--format", "json", "--socket", NO_DAEMON))
    assert report["comm"] == "memprov" and report["exe"] == os.path.realpath(MEMPROV)
    assert breakdown_sum(report) == report["totals"]["rss"] > 0


@pytest.fixture
def public():
    """The program where another user can run it."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "memprov")
        subprocess.run(["install", "-m", "755", MEMPROV, path], check=True)
        yield path


def run_as_nobody(public, *args):
    return subprocess.run([*NOBODY, public, *map(str, args)], capture_output=True, text=True,
                          timeout=HANG, cwd="/")


@ROOT
def test_an_unprivileged_user(daemon, named, public):
    with subprocess.Popen([*NOBODY, "/bin/sleep", "100"], cwd="/") as own:
        try:
            done = run_as_nobody(public, "show", own.pid, "--socket", daemon.socket)
            assert done.returncode == 0 and "=== Totals ===" in done.stdout, done
            assert "No call sites: " in done.stdout
            done = run_as_nobody(public, "show", own.pid, "--format", "json", "--socket",
                                 NO_DAEMON)
            assert json.loads(done.stdout)["comm"] == "sleep"
        finally:
            own.kill()
    line = one_line(run_as_nobody(public, "show", named.pid, "--socket", daemon.socket), 1)
    assert str(named.pid) in line
    line = one_line(run_as_nobody(public, "show", "1", "--socket", NO_DAEMON), 1)


def test_processes_that_are_not_there(daemon):
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    for path in (daemon.socket, NO_DAEMON):
        for pid in (gone.pid, 2, 4194304):
            assert str(pid) in one_line(run("show", pid, "--socket", path), 1)


@pytest.mark.parametrize("command", ["serve", "show", "top", "run"])
def test_without_procfs(tmp_path, command):
    words = {"serve": ["--socket", tmp_path / "socket"], "run": ["--", "true"], "top": ["--once"]}.get(command, [])
    for path in (tmp_path, tmp_path / "none"):
        line = one_line(run(command, "--proc", path, *words), 1)
        assert f"--proc: there is no procfs in '{path}'; takes the directory" in line


@pytest.mark.parametrize("args, word", [
    ([], "command"), (["bogus"], "bogus"), (["history", "abc"], "abc"), (["show", "12abc"], "12abc"), (["show", "a", "b"], "one PID or name"), (["show", "0"], "0"),
    (["show", "4194305"], "4194305"), (["show", "1", "2"], "2"), (["show", "-1"], "-1"),
    (["show", "1", "--top", "0"], "top"), (["show", "1", "--top", "10001"], "top"),
    (["show", "1", "--top"], "top"), (["show", "1", "--top", "x"], "top"),
    (["show", "1", "--format", "xml"], "xml"), (["show", "1", "--unit", "GB"], "GB"), (["show", "1", "--color", "yes"], "auto, always, never"),
    (["show", "1", "--bogus"], "bogus"), (["show", "1", "-o"], "-o"),
    (["show", "1", "-o", ""], "-o"),
    (["show", "1", "--al"], "--al"), (["show", "--all=1"], "all"),
    (["show", "--socket", "x" * 200], "socket"),
    (["serve", "extra"], "extra"), (["serve", "--top", "5"], "top"),
    (["serve", "--listen", "0.0.0.0:6060"], "0.0.0.0"),
    (["serve", "--listen", "192.168.1.1:0"], "192.168.1.1"),
    (["serve", "--listen", "[::]:0"], "::"), (["serve", "--listen", "example.org:1"], "example"),
    (["serve", "--listen", "127.0.0.1"], "127.0.0.1"),
    (["serve", "--listen", "127.0.0.1:65536"], "65536"),
    (["serve", "--listen", ""], "listen"),
    (["serve", "--ring-size", "3"], "ring-size"), (["serve", "--ring-size", "100000"], "ring-size"),
    (["serve", "--ring-size", "32k"], "ring-size"), (["serve", "--ring-size", "2G"], "ring-size"),
    (["serve", "--backend", "x"], "backend"), (["serve", "--unwind", "x"], "unwind"),
    (["serve", "--seccomp", "x"], "enforce, log, off"),
    (["serve", "--pid", "0"], "pid"), (["serve", "--stack-min", "-1"], "stack-min"),
    (["doctor", "extra"], "extra"), (["doctor", "--top", "1"], "top"),
], ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else "")
def test_bad_usage(args, word):
    line = one_line(run(*args), 2)
    assert word in line


@pytest.mark.parametrize("text, number, word", [
    ("colour = red\n", 1, "colour"),
    ("# a comment\n\nlisten = 127.0.0.1:0\nring-size = 3\n", 4, "ring-size"),
    ("listen\n", 1, "="), ("top = 5\n", 1, "top"), 
    ("config = other\n", 1, "config"), ("= 5\n", 1, "''"), ("pid = x\0y\n", 1, "NUL")])
def test_bad_config(tmp_path, text, number, word):
    path = tmp_path / "memprov.conf"
    path.write_text(text)
    line = one_line(run("serve", "--config", path), 2)
    assert f"{path}:{number}:" in line and word in line


def test_config_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none", tmp_path, "/dev/zero"):
        assert str(path) in one_line(run("serve", "--config", path), 2)


def test_config(bpf, tmp_path):
    path = tmp_path / "memprov.conf"
    path.write_text("# all of them\n  ring-size = 1M   # comment\n\tpid=1\nbackend = tracepoint\n"
                    "listen = 127.0.0.1:1\n")  # the command line has another
    with Daemon("--config", str(path)) as daemon:
        assert daemon.metrics()['memprov_ring_buffer_bytes{state="size"}'] == MIB


@ROOT
def test_serve_without_the_right_to_trace(public, tmp_path):
    os.chmod(tmp_path, 0o777)
    line = one_line(run_as_nobody(public, "serve", "--listen", "127.0.0.1:0", "--socket",
                                  "/tmp/memprov-test-nobody.sock"), 3)
    assert "doctor" in line and "CAP_BPF" in line
    assert not os.path.exists("/tmp/memprov-test-nobody.sock")


def test_a_busy_port(bpf, daemon, tmp_path):
    path = tmp_path / "memprov.sock"
    line = one_line(run("serve", "--listen", f"127.0.0.1:{daemon.port}", "--socket", path), 1)
    assert str(daemon.port) in line and "in use" in line
    assert not path.exists()


def test_a_busy_socket(bpf, daemon):
    line = one_line(run("serve", "--listen", "127.0.0.1:0", "--socket", daemon.socket), 1)
    assert daemon.socket in line
    assert daemon.get_unix("/healthz").status == 200, "the first daemon keeps its socket"


def test_a_socket_that_is_a_file(bpf, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    line = one_line(run("serve", "--listen", "127.0.0.1:0", "--socket", path), 1)
    assert str(path) in line
    assert path.read_text() == "data"


def test_doctor(bpf):
    text = good("doctor")
    assert "Tracing can run" in text
    *_, title, first, second, third = text.splitlines()
    assert title == "Try next:"
    assert [line.split()[2] for line in (first, second, third)] == ["serve", "top", "run"]
    for word in ("BTF", "tracefs", "lockdown", "backend", "page faults", "ring buffer", "CONFIG_ANON_VMA_NAME",
                 "PAGEMAP_SCAN", "PROCMAP_QUERY", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"):
        assert word in text, word
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("no "):
            assert "means:" in lines[i + 1] and "remedy:" in lines[i + 2], line


@ROOT
def test_doctor_without_rights(public):
    done = run_as_nobody(public, "doctor")
    assert done.returncode == 3, done
    assert re.search(r"^no +CAP_BPF", done.stdout, re.M)
    assert done.stdout.splitlines()[-4] == "Try next:" and "memprov show NAME" in done.stdout


def test_help_and_version():
    version = open(os.path.join(os.path.dirname(__file__), "../../VERSION")).read().strip()
    assert good("--version") == f"memprov {version}\n"
    assert all(word in good("--help") for word in ("serve", "show", "run", "doctor"))
    for command in ("serve", "show", "run", "doctor"):
        assert f"usage: memprov {command}" in good(command, "--help")
