# SPDX-License-Identifier: BSD-2-Clause
"""Long work says on a terminal that it is going on, and leaves nothing behind."""
import os
import re
import shutil
import signal

from memprov import Daemon
from screen import Terminal

WAITING = rb"\r\x1b\[Kmemprov: waiting for the daemon\xe2\x80\xa6 (\d+)\.(\d) s\r"


def test_show_waits_for_the_daemon(bpf):
    with Daemon() as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            with Terminal("show", os.getpid(), "--socket", daemon.socket, "--top", 1, lines=300) as shown:
                shown.wait(lambda text: float(re.search(r"daemon… ([\d.]+) s", text + "daemon… 0 s")[1]) >= 1.2,
                           "later time")
                os.kill(daemon.pid, signal.SIGCONT)
                assert shown.ended() == 0
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
    times = [float(b"%s.%s" % seconds) for seconds in re.findall(WAITING, shown.raw)]
    assert times == sorted(set(times)) and len(times) >= 2
    assert times[0] >= 0.5, "not for what takes half a second"
    assert shown.lines[0] == "=== Complete Memory Breakdown ===", "the line was erased"
    assert "waiting" not in shown.text


def test_no_line_for_what_is_quick(daemon):
    """Nor for the first half second of what is not."""
    with Terminal("show", os.getpid(), "--socket", daemon.socket, "--top", 1, lines=300) as shown:
        assert shown.ended() == 0
    assert all(float(b"%s.%s" % seconds) >= 0.5 for seconds in re.findall(WAITING, shown.raw))


def test_the_line_fits(bpf):
    with Daemon() as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            with Terminal("show", os.getpid(), "--socket", daemon.socket, columns=20) as shown:
                shown.wait(lambda text: shown.raw.count(b"memprov: waiting fo") > 3, "fourth drawing")
                assert shown.lines[1:] == [""] * 29, "one line, redrawn"
                os.kill(daemon.pid, signal.SIGCONT)
                assert shown.ended() == 0
        finally:
            os.kill(daemon.pid, signal.SIGCONT)


def test_serve_says_that_it_reads_all_processes(bpf, tmp_path):
    """The first sweep is made to wait: there is a process whose state is a pipe without a writer."""
    proc = tmp_path / "proc"
    proc.mkdir()
    for name in os.listdir("/proc"):
        (proc / name).symlink_to(f"/proc/{name}")
    stuck = proc / "4194304"  # more than there can be
    stuck.mkdir()
    os.mkfifo(stuck / "stat")
    with Terminal("serve", "--proc", proc, "--listen", "127.0.0.1:0", "--socket",
                  tmp_path / "socket") as shown:
        shown.wait(lambda text: re.search("once… 1.[3-9] s|once… [2-9].", text), "later time")
        end = os.open(stuck / "stat", os.O_WRONLY)
        shutil.rmtree(stuck)
        os.close(end)
        shown.wait(lambda text: "reading all" not in text, "end of the sweep")
        shown.type("\x03")
        assert shown.ended() == 0
    assert b"\xa6 0." not in shown.raw, "not for what takes less than a second"
    assert shown.lines[0].startswith("memprov 0."), shown.lines
    assert "curl 'http://127.0.0.1:" in shown.lines[0]
