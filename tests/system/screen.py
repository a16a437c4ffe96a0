# SPDX-License-Identifier: BSD-2-Clause
"""A program on a terminal, and what the terminal shows: pyte plays the terminal."""
import atexit
import contextlib
import fcntl
import functools
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

import pyte

from memprov import HANG, MEMPROV

UP, DOWN, PAGE_DOWN, HOME, END, ESC, ENTER, TAB = \
    b"\x1bOA", b"\x1bOB", b"\x1b[6~", b"\x1bOH", b"\x1bOF", b"\x1b", b"\r", b"\t"


@functools.cache
def terminfo():
    """A directory with a description of what pyte can: xterm without what it would ignore."""
    directory = tempfile.mkdtemp(prefix="memprov-terminfo-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    subprocess.run(["tic", "-x", "-o", directory, "-"], check=True, text=True, stderr=subprocess.PIPE,
                   input="memprov-test|as pyte has it,\n\tindn@, rin@, rep@, use=xterm-256color,\n")
    return directory


class Screen(pyte.Screen):
    """pyte knows no alternate screen; what matters is that it was entered, and left."""

    def __init__(self, *size):
        self.alternate = False
        super().__init__(*size)

    def set_mode(self, *modes, **more):
        self.alternate |= 1049 in modes
        super().set_mode(*modes, **more)

    def reset_mode(self, *modes, **more):
        self.alternate &= 1049 not in modes
        super().reset_mode(*modes, **more)


class Terminal:
    """`memprov ARGS`, or another program, on a terminal of its own; killed at the end if it still runs."""

    def __init__(self, *args, columns=100, lines=30, env=None, program=MEMPROV):
        self.screen = Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.raw, self.status = b"", None
        self.master, self.slave = pty.openpty()
        self.set_size(columns, lines)
        self.modes = termios.tcgetattr(self.slave)
        described = {"TERM": "memprov-test", "TERMINFO": terminfo(), "LANG": "C.UTF-8"}
        self.pid = os.fork()
        if not self.pid:
            self.run([program, *map(str, args)], {**os.environ, **described, **(env or {})})

    def run(self, argv, env):
        """In the child."""
        try:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.execve(argv[0], argv, env)
        finally:
            os._exit(127)

    def set_size(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        self.set_size(columns, lines)

    def read(self, seconds=0.05):
        while select.select([self.master], [], [], seconds)[0]:
            more = os.read(self.master, 65536)
            self.raw += more
            self.stream.feed(more)
            seconds = 0

    def type(self, *keys):
        for key in keys:
            os.write(self.master, key if isinstance(key, bytes) else key.encode())
            self.read(0.1)

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, condition, what):
        """Until it holds of a frame that has come to its end: a terminal takes a large one in pieces."""
        end = time.monotonic() + HANG
        while True:
            self.read()
            so_far = len(self.raw)
            if condition(self.text):
                self.read(0.03)  # less than a progress line waits before it is drawn again
                if len(self.raw) == so_far:
                    return self.text
            assert self.poll() is None, f"it ended with {self.status}: {self.raw!r}"
            assert time.monotonic() < end, f"no {what} on the screen:\n{self.text}"

    def wait_for(self, word):
        return self.wait(lambda text: word in text, repr(word))

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def ended(self):
        """The exit status, when it has ended and left the terminal as it found it."""
        end = time.monotonic() + HANG
        while self.poll() is None:
            self.read()
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
        self.read(0.1)
        assert termios.tcgetattr(self.slave) == self.modes, "the modes of the terminal"
        assert not self.screen.alternate, "the alternate screen"
        assert not self.screen.cursor.hidden, "the cursor"
        return self.status

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)
