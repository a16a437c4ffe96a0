# SPDX-License-Identifier: BSD-2-Clause
"""memprov run: what it passes through, what it saw at the peak and at the end."""
import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from machine import fexit_works
from memprov import (HANG, MEMPROV, MIB, SANITIZED, WORKLOADS, check_sums, check_tiling,
                     read_line, until)

ENDINGS = os.path.join(WORKLOADS, "endings")
HELD = 2000  # ms for which there is something to be seen, on a machine that does much else
pytestmark = pytest.mark.usefixtures("bpf")


def run(*args, **more):
    return subprocess.run([MEMPROV, "run", *map(str, args)], capture_output=True, timeout=HANG, **more)


@pytest.fixture
def report(tmp_path):
    """Runs it, and gives the JSON, checked for what always holds, and what it printed."""
    def get(*cmd, options=(), **more):
        file = tmp_path / "report.json"
        # Room for what all others on the machine do meanwhile.
        done = run(*options, "--ring-size", "64M", "--all", "--format", "json", "-o", file, "--", *cmd, **more)
        whole = json.loads(file.read_text())
        assert whole["schema"] == 1 and whole["command"] == [str(word) for word in cmd]
        assert "Sanitizer" not in done.stderr.decode(errors="replace"), done.stderr
        for part in ("peak", "end"):
            if whole[part]:
                assert whole[part]["pid"] == whole["pid"]
                check_sums(whole[part])
                check_tiling(whole[part])
        return whole, done
    return get


def witnessed(part):
    """It was traced from the first instruction on."""
    assert part["tracing"]["state"] == "complete", part["tracing"]
    assert part["tracing"]["lost_events"] == 0
    assert part["coverage"]["predates"] == 0, part["coverage"]
    assert part["coverage"]["unknown"] == 0, part["coverage"]
    assert not any(region["inherited"] for region in part["regions"])


# --- the end ------------------------------------------------------------------------------------


def test_its_file_is_for_its_owner_alone(tmp_path):
    """It holds addresses and paths; whatever the umask, and whatever was there before."""
    for name in ("new", "old"):
        path = tmp_path / name
        if name == "old":
            path.write_text("before")
            path.chmod(0o644)
        for words in (["run", "-o", path, "--", "true"], ["show", "-o", path]):
            subprocess.run(["sh", "-c", 'umask 0 && exec "$@"', "sh", MEMPROV, *map(str, words)],
                           check=True, capture_output=True)
            assert path.stat().st_mode & 0o7777 == 0o600, words


def test_peak_and_end(report):
    whole, done = report(ENDINGS, "peak", HELD)
    peak, end = whole["peak"], whole["end"]
    witnessed(peak)
    witnessed(end)
    assert whole["end_source"] == "exit"
    block = [r for r in peak["regions"] if r["rss"] >= 60 * MIB]
    assert len(block) == 1 and block[0]["origin"] == "mmap", peak["regions"]
    assert peak["coverage"]["attributed"] >= 64 * MIB
    assert peak["totals"]["rss"] <= whole["peak_rss"] < 68 * MIB
    assert end["consistency"] == "exact"
    assert end["totals"]["rss"] < 11 * MIB
    block = [r for r in end["regions"] if r["rss"] >= 8 * MIB]
    assert len(block) == 1 and block[0]["origin"] == "mmap", end["regions"]
    assert block[0]["rss"] == 8 * MIB and block[0]["tid"] == whole["pid"]
    assert whole["exit"] == {"code": 0, "signal": None, "core_dumped": False}
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_burst_is_counted(report):
    """64 MiB for no longer than they take to be touched, right after the start: no report may have seen
    them, but the kernel has. (How much a report sees: tests/bench/moments.py.)"""
    whole, _ = report(ENDINGS, "peak", 0)
    assert whole["peak_rss"] >= 64 * MIB
    assert whole["peak"]["totals"]["rss"] <= whole["peak_rss"]


@pytest.mark.parametrize("how,status", [
    ("peak", 0), ("thread", 3), ("leader", 0), ("threads", 0), ("exec", 0),
    ("signal 9", -9), ("signal 11", -11), ("signal 15", -15), ("signal 40", -40)])
def test_however_it_ends(report, how, status):
    whole, done = report(ENDINGS, *how.split())
    assert done.returncode == status, done
    assert whole["end_source"] == "exit"
    witnessed(whole["end"])
    block = [r for r in whole["end"]["regions"] if r["rss"] == 8 * MIB]
    assert len(block) == 1 and block[0]["origin"] == "mmap", whole["end"]["regions"]
    names = {-9: "SIGKILL", -11: "SIGSEGV", -15: "SIGTERM", -40: "signal 40"}
    assert whole["exit"]["signal"] == names.get(status)
    assert whole["exit"]["code"] == (status if status >= 0 else None)


def test_very_short(report):
    whole, done = report("true")
    assert done.returncode == 0
    witnessed(whole["end"])
    assert 0 < whole["end"]["totals"]["rss"] <= whole["peak_rss"] < 8 * MIB
    assert whole["peak"]["totals"]["rss"] == whole["end"]["totals"]["rss"]


def test_without_ptrace(report):
    whole, done = report("sh", "-c", f"{ENDINGS} traceme; exec {ENDINGS} peak {HELD}",
                         options=["--no-ptrace"])
    assert whole["end_source"] == "sample"
    assert whole["peak"]["totals"]["rss"] >= 60 * MIB
    assert whole["end"]["totals"]["rss"] < 70 * MIB
    # Only so it may be traced by others.
    assert run("--no-ptrace", "--", ENDINGS, "traceme").stdout == b"yes\n"
    assert run("--", ENDINGS, "traceme").stdout == b"no\n"


def test_a_daemon_lives_on(report):
    """It is the end of the process that was started; memprov does not wait for those it leaves."""
    whole, done = report("sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!")
    sleeper = int(done.stdout)
    try:
        assert done.returncode == 0
        assert whole["end"]["comm"] == "sh"
        os.kill(sleeper, 0)
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_descendants(report):
    """They are in no figure but their own."""
    whole, _ = report("sh", "-c", f"for i in 1 2 3; do sh -c '{ENDINGS} peak {2 * HELD}; :' & done; wait")
    assert 3 <= whole["descendants"]["most"] <= 6
    assert 180 * MIB < whole["descendants"]["peak_rss"] < 260 * MIB
    assert whole["peak_rss"] < 8 * MIB
    whole, _ = report("sleep", "0.5")
    assert whole["descendants"] == {"most": 0, "peak_rss": 0}


@pytest.mark.parametrize("cmd,runtime", [
    (["/usr/bin/python3", "-c", "import time; b = b'x' * (48 << 20); time.sleep(2)"],
     "python"),
    (["java", "-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-version"], "java"),
    (["sh", "-c", "exec redis-server --port 0 --save '' --daemonize no "
      "--unixsocket $DIR/r.sock --logfile /dev/null"], "native")])
def test_real_programs(report, tmp_path, cmd, runtime):
    if "redis" in cmd[-1]:
        with ended_soon(tmp_path / "r.sock"):
            whole, done = report(*cmd, env={**os.environ, "DIR": str(tmp_path)})
    else:
        whole, done = report(*cmd)
    assert done.returncode == 0, done
    assert whole["end_source"] == "exit"
    for part in (whole["peak"], whole["end"]):
        assert part["runtime"] == runtime
        assert part["tracing"]["state"] == "complete"
        assert part["coverage"]["predates"] == 0
    if runtime == "python":
        assert any(r["rss"] >= 44 * MIB and r["origin"] == "mmap"
                   for r in whole["peak"]["regions"])
    if runtime == "java":
        assert whole["peak"]["totals"]["rss"] >= 64 * MIB


@contextlib.contextmanager
def ended_soon(sock):
    """Tells redis to end when it has begun to listen."""
    asker = subprocess.Popen(
        ["sh", "-c", f"until [ -S {sock} ]; do sleep 0.1; done; sleep 0.3; "
         f"redis-cli -s {sock} shutdown nosave"], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        asker.kill()
        asker.wait()


# --- what is passed through ---------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 3, 7, 127, 255])
def test_exit_status(code):
    assert run("--", "sh", "-c", f"exit {code}").returncode == code


def test_a_shell_sees_the_signal():
    done = subprocess.run(["bash", "-c", f"{MEMPROV} run -o /dev/null -- {ENDINGS} signal 15; "
                           "echo $?"], capture_output=True)
    assert done.stdout == b"143\n"


@contextlib.contextmanager
def running(*args, **more):
    with subprocess.Popen([MEMPROV, "run", "-o", "/dev/null", *map(str, args)],
                          stdout=subprocess.PIPE, start_new_session=True, **more) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGALRM,
                                    signal.SIGRTMIN + 3])
def test_a_signal_ends_it(number):
    with running("--", "sh", "-c", "echo up; exec sleep 50") as process:
        assert read_line(process.stdout) == "up\n"
        process.send_signal(number)
        assert process.wait(HANG) == -number


def test_signals_come_once():
    with running("--", ENDINGS, "count") as process:
        assert read_line(process.stdout) == "ready\n"
        for i in range(3):
            process.send_signal(signal.SIGUSR1)
            assert read_line(process.stdout) == f"{i + 1}\n"
        process.send_signal(signal.SIGUSR2)
        assert read_line(process.stdout) == "3\n"
        assert process.wait(HANG) == 0


def test_interrupt_of_the_group():
    with running("--", "sh", "-c", "echo up; exec sleep 50") as process:
        assert read_line(process.stdout) == "up\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(HANG) == -signal.SIGINT


def test_interrupt_of_memprov_alone():
    """The terminal sends it to both, so it is not passed on, nor does it end the tracing."""
    with running("--", "sh", "-c", "echo up; sleep 1; exit 5") as process:
        assert read_line(process.stdout) == "up\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGQUIT)
        assert process.wait(HANG) == 5


def test_a_program_that_ignores_the_interrupt():
    with running("--", "sh", "-c", "trap 'echo caught' INT; echo up; sleep 1; sleep 1; exit 6"
                 ) as process:
        assert read_line(process.stdout) == "up\n"
        os.killpg(process.pid, signal.SIGINT)
        assert read_line(process.stdout) == "caught\n"
        assert process.wait(HANG) == 6


def test_stop_and_continue():
    with running("--", "sh", "-c", "echo $$; read x; exit 4", stdin=subprocess.PIPE) as process:
        pid = int(read_line(process.stdout))

        def state():
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0]

        os.kill(pid, signal.SIGSTOP)
        until(lambda: state() in "tT", "the stop")
        process.stdin.write(b"x\n")
        process.stdin.flush()
        time.sleep(0.3)
        assert state() in "tT"
        os.kill(pid, signal.SIGCONT)
        assert process.wait(HANG) == 4


def test_nothing_is_left_when_it_is_killed():
    with running("--", "sh", "-c", "echo $$; sleep 1; echo alive; sleep 50") as process:
        pid = int(read_line(process.stdout))
        process.kill()
        process.wait()
        assert read_line(process.stdout) == "alive\n"
        with open(f"/proc/{pid}/status") as status:
            assert "TracerPid:\t0\n" in status.read()


def test_binary_data_passes():
    data = os.urandom(1 << 20)
    assert run("-o", "/dev/null", "--", "cat", input=data).stdout == data


def test_the_arguments_are_not_touched():
    words = ["--top", "-o", "--help", "--", "", "two words", "-pid", "\xff\n"]
    show = "import sys; print(sys.argv[1:])"
    for dashes in (["--"], []):
        done = run("-o", "/dev/null", *dashes, "/usr/bin/python3", "-c", show, *words)
        assert done.stdout.decode() == f"{words}\n", done


def test_it_starts_as_it_would_alone(tmp_path):
    """Descriptors, signal mask and dispositions, limits, session: as without memprov."""
    show = ("ls -l /proc/self/fd | wc -l; grep -E '^(Sig|Shd)(Blk|Ign|Cgt|Pnd)' /proc/self/status;"
            "ulimit -a; ps -o sid=,tpgid=,uid=,ni= $$; pwd; env | grep -v ^_= | sort")
    for before in ("", "trap '' HUP PIPE CHLD USR1;", "exec 7</dev/null;"):
        alone = subprocess.run(["bash", "-c", f"{before} bash -c \"$0\"; true", show],
                               capture_output=True)
        traced = subprocess.run(
            ["bash", "-c", f"{before} {MEMPROV} run -o {tmp_path}/r -- bash -c \"$0\"; true", show],
            capture_output=True)
        assert alone.stdout == traced.stdout.replace(b"SHLVL=1", b"SHLVL=1"), before
        assert traced.stderr == b""


def test_closed_descriptors_stay_closed():
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        count = "import os; os.write(9, str(len(os.listdir('/proc/self/fd'))).encode())"
        show = f"/usr/bin/python3 -c \"{count}\" 9>&3 {closed}"
        traced = show.replace("/usr", f"{MEMPROV} run -o /dev/null -- /usr", 1)
        read, write = os.pipe()
        for command in (show, traced):
            subprocess.run(["bash", "-c", f"exec 3>&{write}; {command}"], pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as both:
            text = both.read()
        assert len(text) >= 2 and text[: len(text) // 2] == text[len(text) // 2:], (closed, text)


def test_its_output_comes_first():
    done = run("--", "sh", "-c", "echo out; echo err >&2")
    assert done.stdout == b"out\n"
    text = done.stderr.decode()
    assert text.startswith("err\n=== Command ===\nsh -c echo out; echo err >&2\nProcess "), text
    heads = [line for line in text.splitlines() if line.startswith("===")]
    assert re.fullmatch(r"=== At peak RSS \(\d+ MB, \d+\.\d{3} s after the start\) ===", heads[1])
    assert any(re.fullmatch(r"=== At the end \(\d+ MB, \d+\.\d{3} s after the start\) ===", line)
               for line in heads)


def test_the_text():
    text = run("--top", 3, "--unit", "kB", "--", ENDINGS, "peak", HELD).stderr.decode()
    peak, end = text.split("=== At the end (")
    for part in (peak, end):
        assert part.count("=== Top 3 Memory Regions ===") == 1
        assert "Tracing: complete" in part
    numbers = [int(n) for n in re.findall(r"RSS \(Resident\): +(\d+) kB", text)]
    assert numbers[0] > 60 * 1024 and 8 * 1024 <= numbers[1] < 11 * 1024
    assert re.search(r"^Peak RSS \d+ kB \(VmHWM\), seen at \d+ kB$", text, re.M)
    assert re.search(r"^Process \d+ exited with status 0 after \d+\.\d{3} s$", text, re.M)


# --- how it fails -------------------------------------------------------------------------------


@pytest.mark.parametrize("cmd,code,says", [
    (["--", "/nonexistent/program"], 127, "No such file"),
    (["--", "no-such-program-in-path"], 127, "No such file"),
    (["--", ""], 127, "No such file"),
    (["--", "/etc/passwd"], 126, "Permission denied"),
    (["--", "/tmp"], 126, "Permission denied"),
    ([], 2, "the program is missing"),
    (["--"], 2, "the program is missing"),
    (["--top", "3"], 2, "the program is missing"),
    (["--nope", "--", "true"], 2, "unknown option '--nope'"),
    (["--pid", "3", "--", "true"], 2, "does not take the option '--pid'"),
    (["-o", "/nonexistent/r", "--", "true"], 1, "cannot write to /nonexistent/r"),
    (["-o", "/tmp", "--", "true"], 1, "cannot write to /tmp"),
    *([] if fexit_works() else [(["--backend", "fexit", "--", "true"], 3, "fexit")])])
def test_failures(cmd, code, says):
    for options in ((), ("--no-ptrace",)):
        done = run(*options, *cmd)
        text = done.stderr.decode()
        assert (done.returncode, done.stdout) == (code, b""), done
        assert text.startswith("memprov: ") and text.count("\n") == 1 and says in text, text


def test_without_rights_nothing_is_started(tmp_path):
    tmp_path.chmod(0o777)
    program = tmp_path / "memprov"
    program.write_bytes(open(MEMPROV, "rb").read())
    program.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(0o755)
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "run",
         "--", "touch", tmp_path / "started"], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 3, done
    assert done.stderr.startswith("memprov: cannot trace: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "started").exists()


def test_a_full_disk_changes_no_status():
    done = run("-o", "/dev/full", "--", "sh", "-c", "exit 9")
    assert done.returncode == 9
    assert done.stderr == (b"memprov: cannot write to /dev/full: No space left on device; free some space, or take "
                           b"another place with -o FILE\n")


# --- over time ----------------------------------------------------------------------------------


def test_nothing_leaks():
    """Hundreds of reports, and hardly more descriptors than at the start."""
    FEW = 10  # when it began, some may not have been open yet
    grow = ("import time; print('up', flush=True); keep = []\n"
            "for i in range(200): keep.append(b'x' * (1 << 20)); time.sleep(0.01)\n"
            "print('down', flush=True); time.sleep(50)")
    with running("--", "/usr/bin/python3", "-c", grow) as process:
        assert read_line(process.stdout) == "up\n"
        time.sleep(0.3)
        fds = f"/proc/{process.pid}/fd"
        before = len(os.listdir(fds))
        assert read_line(process.stdout) == "down\n"
        until(lambda: len(os.listdir(fds)) <= before + FEW, "descriptors to be closed")
        process.terminate()
        assert process.wait(HANG) == -signal.SIGTERM


@pytest.mark.plain
def test_one_after_the_other():
    for _ in range(5 if SANITIZED else 15):
        assert run("-o", "/dev/null", "--", "sh", "-c", "true & true").returncode == 0


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return 10 * sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))


# 30,000 mappings, of which a report takes some 100 ms; then it grows all the time.
GROWS = """
import mmap, time
keep = [mmap.mmap(-1, 4096, prot=1 + i % 2 * 2) for i in range(30000)]
print("up", flush=True)
for i in range(300):
    keep.append(b"x" * (1 << 19))
    time.sleep(0.01)
print("down", flush=True)
time.sleep(5)
"""


@pytest.mark.plain
@pytest.mark.parametrize("program,limit", [
    ("print('up', flush=True); import time; time.sleep(3); print('down', flush=True)", 1000),
    (GROWS, 1800)])
def test_it_costs_little(program, limit):
    """4 % for reports, 100 ms once, one report too many, what looking at statm takes, and several times as much
    for the events of all others on the machine, which builds make by the thousand; in the three seconds that each
    program takes at least. (Alone 30 ms: tests/bench/moments.py.)"""
    with running("--", "/usr/bin/python3", "-c", program) as process:
        assert read_line(process.stdout) == "up\n"
        before, began = cpu_ms(process.pid), time.monotonic()
        assert read_line(process.stdout) == "down\n"
        used, seconds = cpu_ms(process.pid) - before, time.monotonic() - began
        print(f"{used} ms of CPU in {seconds:.1f} s")
        assert used <= limit * seconds / 3
        process.terminate()


# --- on a terminal ------------------------------------------------------------------------------


def on_terminal(*args, keys=(), columns=None):
    """All that a terminal would show, and the exit status. keys: (what to wait for, what to type or to
    call)."""
    pid, fd = pty.fork()
    if not pid:
        if columns:
            subprocess.run(["stty", "cols", str(columns)])
        os.execv(MEMPROV, [MEMPROV, "run", *map(str, args)])
    shown, left = b"", list(keys)
    end = time.monotonic() + HANG
    try:
        while time.monotonic() < end:
            if not select.select([fd], [], [], 1)[0]:
                continue
            try:
                more = os.read(fd, 65536)
            except OSError:
                break
            shown += more
            if left and re.search(left[0][0], shown):
                what = left.pop(0)[1]
                what() if callable(what) else os.write(fd, what)
    finally:
        os.close(fd)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


LINE = rb"\r\x1b\[Kmemprov: \d+ s, RSS \d+ MB, mapped \d+ MB, \d+ events\r"


def waiting_for(path):
    """A command that ends when there is such a file."""
    return ["sh", "-c", f"until [ -e {path} ]; do sleep 0.1; done; exit 7"]


def test_progress(tmp_path):
    began = time.monotonic()
    shown, status = on_terminal("--", *waiting_for(tmp_path / "end"),
                                keys=[(rb"(?s)(%s.*){3}" % LINE, (tmp_path / "end").touch)])
    took = time.monotonic() - began
    lines = re.findall(LINE, shown)
    assert status == 7
    assert 3 <= len(lines) <= 4 * took, shown
    last = shown.rindex(b"events\r") + len(b"events\r")
    assert shown[last:].startswith(b"\r\x1b[K=== Command ==="), shown[last:]


def test_progress_fits_into_the_line(tmp_path):
    shown, status = on_terminal("-o", "/dev/null", "--", *waiting_for(tmp_path / "end"), columns=20,
                                keys=[(rb"\r\x1b\[Kmemprov: \d+ s, RSS", (tmp_path / "end").touch)])
    assert status == 7
    assert max(map(len, re.findall(rb"\x1b\[K([^\r]*)\r", shown))) < 20, shown


def test_no_progress_where_keys_are_read():
    shown, _ = on_terminal("-o", "/dev/null", "--", "sh", "-c",
                           "stty raw; echo raw; sleep 2; stty sane; echo sane")
    shown = shown.split(b"raw")[1].split(b"sane")[0]
    assert len(re.findall(LINE, shown)) <= 1, "one may have been on its way"


def test_no_progress_without_a_terminal():
    assert b"memprov:" not in run("--", "sleep", "0.8").stderr


def test_interrupt_from_the_keyboard():
    # The inner shell says "up": in the outer one the signal could come while it forks, and be lost.
    shown, status = on_terminal(
        "-o", "/dev/null", "--", "sh", "-c",
        "trap 'echo got it; exit 9' INT; sh -c 'echo up; exec sleep 20'; sleep 20",
        keys=[(b"up", b"\x03")])
    assert status == 9 and shown.count(b"got it") == 1, shown
    _, status = on_terminal("-o", "/dev/null", "--", "sh", "-c", "echo up; exec sleep 30",
                            keys=[(b"up", b"\x03")])
    assert status == -signal.SIGINT
