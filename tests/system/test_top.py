# SPDX-License-Identifier: BSD-2-Clause
"""memprov top: what is on the screen, what keys do, and that the terminal comes back."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from memprov import HANG, MEMPROV, MIB, Agent, Daemon, Target, read_line, stopped, until
from screen import DOWN, END, ENTER, ESC, HOME, PAGE_DOWN, TAB, UP, Terminal

pytestmark = pytest.mark.plain

NO_DAEMON = "/tmp/memprov-test-no-daemon.sock"
ROW = re.compile(r" *(\d+) +(\d+) MB +(\d+) MB +(\d+) MB +(-|[+-]\d+ MB) +(-|[+-]\d+ MB) +\d+ s  (.*)")


def top(daemon, *args, **more):
    return Terminal("top", "--socket", daemon.socket, "--interval", 1, *args, **more)


def rows(text):
    """[(pid, rss, pss, swap, change, growth, name)] of the lines that are rows."""
    found = (ROW.fullmatch(line) for line in text.splitlines())
    return [(int(m[1]), int(m[2]), int(m[3]), int(m[4]), m[5], m[6], m[7]) for m in found if m]


def is_there(pid):
    return os.path.exists(f"/proc/{pid}")


def row_of(text, pid):
    return next((row for row in rows(text) if row[0] == pid), None)


@pytest.fixture(scope="module", autouse=True)
def many():
    """More processes than a small screen has lines, on a machine where nothing else runs."""
    sleepers = [subprocess.Popen(["/bin/sleep", "600"]) for _ in range(30)]
    yield
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()


@pytest.fixture(scope="module")
def redis():
    """A real redis-server with 48 MiB of data."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "sock")
        with Target("/usr/bin/redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                    "--enable-debug-command", "yes") \
                as target:
            until(lambda: os.path.exists(path), "redis to listen")
            subprocess.run(["redis-cli", "-s", path, "debug", "populate", "48", "key", str(MIB)],
                           check=True, capture_output=True)
            yield target


@pytest.fixture
def redis_seen(daemon, redis):
    """Started after the session's daemon."""
    return redis


def only(screen, pid):
    """The screen, with one process on it."""
    screen.type("/", str(pid), ENTER)
    return screen.wait(lambda t: row_of(t, pid) and len(rows(t)) < 6, f"process {pid}")


def test_the_list(daemon, redis_seen):
    with top(daemon) as screen:
        text = screen.wait(lambda t: len(rows(t)) > 5, "rows")
        assert screen.lines[0].startswith("memprov top - ")
        assert screen.lines[2].split() == ["PID", "*RSS", "PSS", "SWAP", "CHANGE", "GROWTH", "AGE",
                                           "NAME"]
        shown = rows(text)
        assert [row[1] for row in shown] == sorted((row[1] for row in shown), reverse=True)
        pid, rss, _, _, _, _, name = row_of(only(screen, redis_seen.pid), redis_seen.pid)
        row = next(r for r in daemon.get("/debug/memory/processes", format="json").json["processes"]
                   if r["pid"] == pid)
        assert rss == row["rss"] // MIB and name == "redis-server"
        screen.type("q")
        assert screen.ended() == 0


def test_sorting(daemon, redis_seen):
    with top(daemon) as screen:
        screen.wait(rows, "rows")

        def wait_for_order(key, header, column, reverse):
            def is_sorted(text):
                values = [column(row) for row in rows(text)]
                return header in text and values == sorted(values, reverse=reverse)

            screen.type(key)
            screen.wait(is_sorted, f"order by {header}")

        wait_for_order("i", "*PID", lambda row: row[0], False)
        wait_for_order("i", "*PID", lambda row: row[0], True)
        wait_for_order("n", "*NAME", lambda row: row[6].lower(), False)
        wait_for_order("p", "*PSS", lambda row: row[2], True)


def test_growth(daemon):
    with Agent() as agent, top(daemon, "--sort", "growth", "--unit", "MB") as screen:
        screen.wait(lambda t: any(row[5] != "-" for row in rows(t)), "a second frame")
        only(screen, agent.pid)
        address = agent.map(64 * MIB)
        agent.call("fill", address, 64 * MIB, 1)
        # Since the frame before nothing, since the beginning all of it.
        screen.wait(lambda t: row_of(t, agent.pid)[4:6] == ("+0 MB", "+64 MB"), "growth of 64 MB")
        screen.type(ESC)
        text = screen.wait(lambda t: len(rows(t)) > 5, "all rows")
        growth = [int(row[5].split()[0]) for row in rows(text) if row[5] != "-"]
        assert growth == sorted(growth, reverse=True)


def test_trends(daemon):
    """Of each process and of the node; a terminal of 100 columns has none."""
    name = "trending"
    with Agent() as agent:
        agent.call("prctl", 15, name.encode() + b"\0")
        agent.call("fill", agent.map(16 * MIB), 16 * MIB, 1)
        with top(daemon, columns=120) as screen:
            screen.wait(rows, "rows")
            only(screen, agent.pid)
            screen.wait(lambda t: re.search(rf"(?m)^ *{agent.pid} .* s {{21}}█  {name}", t), "its trend")
            assert screen.lines[2].split()[-2:] == ["TREND", "NAME"]
            assert re.search(r", every 1 s +[▁-█]+$", screen.lines[0].rstrip()), screen.lines[0]
            screen.type("?")
            screen.wait_for("TREND    RSS of the last hour")
            shown = [line.split()[0] for line in screen.lines if line.strip()]
            assert shown[1:10] == ["Columns", "RSS", "PSS", "SWAP", "HUGETLB", "CHANGE", "GROWTH", "AGE", "TREND"]
            screen.type("x")
            screen.wait(rows_or_trends, "the list")
        with top(daemon, columns=100) as screen:
            screen.wait(rows, "rows")
            assert "TREND" not in screen.text and "█" not in screen.text


def rows_or_trends(text):
    return "TREND" in text and "Columns" not in text


def test_filter(daemon, redis_seen):
    with top(daemon) as screen:
        screen.wait(rows, "rows")
        screen.type("/", "REDIS")
        screen.wait(lambda t: "/REDIS_" in t and {row[6] for row in rows(t)} == {"redis-server"},
                    "redis alone")
        screen.type(ENTER)
        screen.wait_for("filter: REDIS")
        before = screen.lines[0]
        screen.wait(lambda t: screen.lines[0] != before, "the next frame")
        assert {row[6] for row in rows(screen.text)} == {"redis-server"}, "the next frame, too"
        screen.type("/", b"\x7f" * 5, "no such process")
        screen.wait_for("no process matches the filter")
        screen.type(ESC)
        screen.wait(lambda t: len(rows(t)) > 5, "all rows")
        screen.type("/", str(redis_seen.pid), ENTER)
        screen.wait(lambda t: len(rows(t)) < 5 and row_of(t, redis_seen.pid), "the one")


def to_call_sites(screen):
    for _ in range(8):
        before = screen.lines[2]
        screen.type(TAB)
        screen.wait(lambda t: screen.lines[2] != before, "the next section")
        if screen.lines[2].startswith("=== Top 20 Call Sites"):
            break


def test_one_process(daemon, redis_seen):
    """Enter leads to its breakdown, and to a call site of redis with the function that mapped."""
    with Agent() as agent, top(daemon, columns=140, lines=40) as screen:
        address = agent.map(32 * MIB)
        agent.call("fill", address, 32 * MIB, 1)
        screen.wait(rows, "rows")
        only(screen, agent.pid)
        screen.type(ENTER)
        text = screen.wait_for("=== Complete Memory Breakdown ===")
        assert f"process {agent.pid}: agent" in screen.lines[0]
        assert "Anonymous Memory:" in text
        to_call_sites(screen)
        text = screen.wait(lambda t: "system_call" in t, "the function that mapped")
        assert re.search(r"#1 +RSS +32 MB", text), text
        screen.type("h")
        screen.wait_for("Any key ends this help")
        screen.type("x")
        screen.wait_for("system_call")
        screen.type(END)
        screen.wait_for("Tracing: ")
        screen.type(ESC)
        screen.wait_for("*RSS")
        screen.type("q")
        assert screen.ended() == 0


def test_one_process_of_redis(daemon, redis_seen):
    with top(daemon, columns=140, lines=50) as screen:
        screen.wait(rows, "rows")
        only(screen, redis_seen.pid)
        screen.type(ENTER)
        screen.wait_for("=== Complete Memory Breakdown ===")
        to_call_sites(screen)
        screen.wait(lambda t: re.search(r"OWNER \S+ in /usr/bin/redis", t), "a function of redis")


def test_a_process_that_ends(daemon):
    with Agent() as agent, top(daemon) as screen:
        screen.wait(rows, "rows")
        only(screen, agent.pid)
        screen.type(ENTER)
        screen.wait_for("=== Complete Memory Breakdown ===")
        agent.close()
        text = screen.wait_for("there is no process")
        assert "=== Complete Memory Breakdown ===" in text, "what was read stays"
        screen.type(ESC)
        screen.wait_for("no process matches")


def test_moving(daemon, redis_seen):
    with top(daemon, lines=10) as screen:
        screen.wait(lambda t: len(rows(t)) == 6, "six rows")

        def selected():
            """The marked line, and its process."""
            for y, line in enumerate(screen.screen.display):
                row = ROW.fullmatch(line.rstrip())
                if row and screen.screen.buffer[y][0].reverse:
                    return y, int(row[1])
            return 0, 0

        def wait_for_line(y):
            screen.wait(lambda t: selected()[0] == y, f"a selection on line {y}")

        wait_for_line(3)
        screen.type(DOWN, "j")
        wait_for_line(5)
        screen.type(UP, "k")
        wait_for_line(3)
        screen.type("i")
        pids = {row[0] for row in rows(screen.wait_for("*PID"))}
        chosen = selected()[1]
        screen.type("i")  # the other way round; the selection stays with its process
        screen.wait(lambda t: selected()[1] == chosen, "the selected process")
        screen.type("i", HOME)
        lowest = min(p["pid"] for p in daemon.report(all=1)["processes"])
        screen.wait(lambda t: selected() == (3, lowest), "the first row")
        first = {row[0] for row in rows(screen.text)}
        screen.type(PAGE_DOWN, PAGE_DOWN)
        screen.wait(lambda t: len(rows(t)) == 6 and not first & {row[0] for row in rows(t)},
                    "other rows")
        wait_for_line(8)
        screen.type(END)
        screen.wait(lambda t: selected()[0] == 8 and selected()[1] >= max(filter(is_there, pids)), "the last row")


def test_resize(daemon, redis_seen):
    with top(daemon) as screen:
        screen.wait(lambda t: len(rows(t)) > 10, "rows")
        for columns, lines in ((60, 8), (200, 50), (100, 30), (20, 3), (1, 1), (100, 24)):
            screen.resize(columns, lines)
            time.sleep(0.2)
            screen.read()
            assert screen.poll() is None
        screen.wait(lambda t: "? help" in t.splitlines()[-1] and len(rows(t)) > 10 and
                    len(t.splitlines()) == 24, "all of it")
        screen.type("q")
        assert screen.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_the_terminal_after_a_signal(daemon, number):
    with top(daemon) as screen:
        screen.wait(rows, "rows")
        os.kill(screen.pid, number)
        assert screen.ended() == -number


def test_interrupt_from_the_keyboard(daemon):
    with top(daemon) as screen:
        screen.wait(rows, "rows")
        screen.type(b"\x03")
        assert screen.ended() == -signal.SIGINT


def test_stopped_from_the_keyboard(daemon):
    with top(daemon) as screen:
        screen.wait(rows, "rows")
        screen.type(b"\x1a")
        _, status = os.waitpid(screen.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        screen.read(0.1)
        assert not screen.screen.alternate, "the shell has its terminal"
        os.kill(screen.pid, signal.SIGCONT)
        screen.wait(lambda t: screen.screen.alternate and rows(t), "rows again")
        screen.type("q")
        assert screen.ended() == 0


def test_the_daemon_dies_and_comes_back(bpf):
    with Daemon() as daemon:
        path = daemon.socket
        screen = top(daemon)
        with screen:
            text = screen.wait(rows, "rows")
            daemon.stop()
            os.makedirs(os.path.dirname(path))
            text = screen.wait_for("cannot ask the daemon")
            assert rows(text), "the last frame stays"
            with subprocess.Popen([MEMPROV, "serve", "--listen", "127.0.0.1:0", "--socket", path],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as again:
                read_line(again.stdout)
                screen.wait(lambda t: "cannot ask" not in t, "a new frame")
                again.terminate()
            screen.wait_for("cannot ask the daemon")
            screen.type("q")
            assert screen.ended() == 0
            os.rmdir(os.path.dirname(path))


def test_a_daemon_that_does_not_answer(bpf):
    """Keys are answered all the same."""
    with Daemon() as daemon, top(daemon) as screen:
        screen.wait(rows, "rows")
        with stopped(daemon.pid):
            time.sleep(1.5)
            screen.type("/", "nothing is called so")
            screen.wait_for("no process matches")
            screen.type(ESC)
            screen.wait(lambda t: len(rows(t)) > 5, "all rows")
            screen.type("q")
            assert screen.ended() == 0


def test_names_that_steer_a_terminal(daemon, tmp_path):
    names = [b"\x1b[2J\x1b[41m", b"a\nb", b"\xff\xfe", "日本語プ".encode(), "\u202eabc".encode()]
    shown = ["\\x1b[2J\\x1b[41m", "a\\nb", None, "日 本 語 プ", "\\u202eabc"]
    targets = []
    try:
        for name in names:
            path = os.path.join(os.fsencode(tmp_path), name)
            shutil.copy(b"/usr/bin/sleep", path)
            targets.append(subprocess.Popen([path, b"100"]))
        with top(daemon, "--sort", "pid") as screen:
            screen.wait(rows, "rows")
            for target, name in zip(targets, shown):
                only(screen, target.pid)
                line = next(x for x in screen.lines if ROW.fullmatch(x))
                if name:
                    assert row_of(screen.text, target.pid)[6].replace(" ", "") == \
                        name.replace(" ", ""), line
                screen.type(ESC)
                screen.wait(lambda t: len(rows(t)) > 5, "all rows")
            screen.type("q")
            assert screen.ended() == 0
    finally:
        for target in targets:
            target.kill()
            target.wait()


def test_a_terminal_that_is_not_known(daemon):
    # ncurses does not free what it had made until it found that out.
    env = {"TERM": "no-such-terminal", "ASAN_OPTIONS": "exitcode=99:detect_leaks=0"}
    with top(daemon, env=env) as screen:
        assert screen.ended() == 1
        assert "memprov: top: the terminal 'no-such-terminal'" in screen.text


def test_no_daemon():
    """From smaps, as show does, and says so."""
    with Target("quiet") as target, Terminal("top", "--socket", NO_DAEMON, "--interval", 1) as screen:
        screen.wait_for("no daemon answers on " + NO_DAEMON)
        screen.wait(rows, "rows")
        only(screen, target.pid)
        screen.type(ENTER)
        screen.wait_for("=== Complete Memory Breakdown ===")
        screen.type(b"q")
        assert screen.ended() == 0


def run(*args, **more):
    return subprocess.run([MEMPROV, "top", *map(str, args)], capture_output=True, text=True,
                          timeout=HANG, **more)


def test_once(daemon, redis_seen):
    done = run("--once", "--socket", daemon.socket, "--top", 5)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == 7 and len(rows(done.stdout)) == 5
    assert lines[1].split()[1] == "*RSS"
    assert len(rows(run("--once", "--all", "--socket", daemon.socket).stdout)) > 5


def test_once_on_a_terminal(daemon):
    with Terminal("top", "--once", "--socket", daemon.socket) as screen:
        assert screen.ended() == 0
        assert len(rows(screen.text)) > 5 and b"\x1b[?1049h" not in screen.raw


def test_output_that_is_no_terminal(daemon):
    process = subprocess.Popen([MEMPROV, "top", "--interval", "1", "--socket", daemon.socket],
                               stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        text = ""
        while text.count("memprov top") < 3:
            text += read_line(process.stdout)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    assert "\x1b" not in text
    assert re.search(r"\+0 MB", text), "changes since the frame before"


def test_once_fails(tmp_path):
    done = run("--once", "--socket", tmp_path / ("x" * 120))
    assert done.returncode == 2
    done = run("--once", "--proc", tmp_path / "none", "--socket", NO_DAEMON)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
