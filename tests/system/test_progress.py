# SPDX-License-Identifier: BSD-2-Clause
"""Long work says on a terminal that it is going on, and leaves nothing behind."""
import os
import re
import signal
import time

from memprov import Daemon
from screen import Terminal

WAITING = rb"\r\x1b\[Kmemprov: waiting for the daemon\xe2\x80\xa6 (\d+)\.\d s\r"


def test_show_waits_for_the_daemon(bpf):
    with Daemon() as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            with Terminal("show", os.getpid(), "--socket", daemon.socket, "--top", 1, lines=60) as shown:
                shown.wait_for("waiting for the daemon… 1.2 s")
                os.kill(daemon.pid, signal.SIGCONT)
                assert shown.ended() == 0
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
    assert len(re.findall(WAITING, shown.raw)) >= 7
    assert b"0.4 s" not in shown.raw, "not for what takes half a second"
    assert shown.lines[0] == "=== Complete Memory Breakdown ===", "the line was erased"
    assert "waiting" not in shown.text


def test_no_line_for_what_is_quick(daemon):
    with Terminal("show", os.getpid(), "--socket", daemon.socket, "--top", 1, lines=60) as shown:
        began = time.monotonic()
        assert shown.ended() == 0
        took = time.monotonic() - began
    assert took > 0.5 or b"waiting" not in shown.raw


def test_the_line_fits(bpf):
    with Daemon() as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            with Terminal("show", os.getpid(), "--socket", daemon.socket, columns=20) as shown:
                shown.wait_for("memprov: waiting fo")
                time.sleep(0.3)
                shown.read()
                assert shown.lines[1:] == [""] * 29, "one line, redrawn"
                os.kill(daemon.pid, signal.SIGCONT)
                assert shown.ended() == 0
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
