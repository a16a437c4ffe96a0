# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures: one daemon for the session, a time limit for each test, and no silent skips."""
import ctypes
import os
import platform
import signal
import struct
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from memprov import Agent, Daemon, SLOWER  # noqa: E402

TEST_SECONDS = 300 * SLOWER  # far more than any of them needs: a hang


def why_no_bpf():
    """None when this process may load BPF programs; asked of the kernel, not of memprov."""
    number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    # r0 = 0; exit
    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0))
    gpl = ctypes.create_string_buffer(b"GPL")
    attr = ctypes.create_string_buffer(
        struct.pack("<IIQQ", 17, 2, ctypes.addressof(code), ctypes.addressof(gpl)), 128)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, 5, attr, 128)  # BPF_PROG_LOAD, type RAW_TRACEPOINT
    if fd < 0:
        return f"BPF programs cannot be loaded here: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return None


NO_BPF = why_no_bpf()


def pytest_configure(config):
    # In the background, or under nohup, they are ignored, and would be by all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.addinivalue_line("markers", "seconds(n): may take so long, if that is more than others may")
    config.addinivalue_line("markers", "plain: left out of the sanitized run, because it measures "
                                       "memprov's cost, or what others (a browser, gdb, Prometheus) "
                                       "make of answers that further tests ask for, or waits long for what others do "
                                       "sanitized, too")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("MEMPROV_NO_SKIP") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, and MEMPROV_NO_SKIP is set: {report.longrepr}"


@pytest.fixture(autouse=True)
def time_limit(request):
    """A hang is a failure, with a trace of where it hung."""
    marker = request.node.get_closest_marker("seconds")
    seconds = max(TEST_SECONDS, int(marker.args[0]) if marker else 0)

    def late(number, frame):
        raise TimeoutError(f"the test took more than {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session")
def bpf():
    """For tests that trace."""
    if os.geteuid() != 0:
        pytest.skip("not root")
    if NO_BPF:
        pytest.skip(NO_BPF)


@pytest.fixture(scope="session")
def daemons(bpf):
    """The session's daemon, in a list of one."""
    running = [Daemon()]
    yield running
    running[0].stop()


@pytest.fixture
def daemon(daemons):
    """It must outlive each test; the test that it does not outlive fails, and no other."""
    if daemons[0].process.poll() is not None:
        daemons[0] = Daemon()
    yield daemons[0]
    code = daemons[0].process.poll()
    assert code is None, f"the daemon ended with {code}: {daemons[0].stderr()}"


@pytest.fixture
def agent(daemon):
    """Started after the daemon, so everything about it is witnessed."""
    with Agent() as agent:
        yield agent
