# SPDX-License-Identifier: BSD-2-Clause
"""What bash, zsh and fish complete, each asked as it is when one types: just the options that --help lists, their choices,
files, and the processes that there are."""
import os
import re
import subprocess

import pytest

from memprov import MEMPROV, ROOT, Agent, until
from screen import Terminal

pytestmark = pytest.mark.plain

COMMANDS = {"serve", "show", "run", "top", "diff", "history", "doctor"}


@pytest.fixture(scope="module")
def scripts():
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["make", "-s", "completions"], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    return ROOT / "build" / "completions"


def listed(command):
    """{option: its choices, or what --help calls its value, or nothing}, all that --help lists."""
    text = subprocess.run([MEMPROV, command, "--help"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in re.findall(r"^  (-.*)", text, re.M):
        letter, name, value = re.match(r"(-\w)?(?:, )?(--[\w-]+)?(?: ([^ ]+))?", line).groups()
        for spelling in filter(None, (letter, name)):
            found[spelling] = value.split("|") if value and "|" in value else value
    return found


class Typed:
    """An interactive shell, with nothing of its user's. `memprov` is a function there, which keeps the words that it gets."""

    PROGRAM, WORDS, LINES = "", [], []

    def __init__(self, scripts, directory):
        self.directory, self.words = directory, directory / "words"
        self.terminal = Terminal(*self.WORDS, program=self.PROGRAM, columns=200, lines=300, env={
            "HOME": str(directory), "ZDOTDIR": str(directory), "TERM": "xterm", "LC_ALL": "C.UTF-8", "PS1": "$ "})
        (directory / "_memprov").write_text((scripts / "memprov.zsh").read_text())
        for line in [*self.LINES, f"memprov() {{ printf '%s\\0' \"$@\" >{directory}/part; mv {directory}/part {self.words}; }}",
                     f"mkdir -p {directory}/files/inner && cd {directory}/files && touch one.json 'two words.json'"]:
            self.terminal.type(line.replace("{scripts}", str(scripts)).replace("{directory}", str(directory)), "\r")
        assert self.all("memprov done") == ["done"]

    def all(self, line):
        """The words of the line when all that can stand at its end is inserted there."""
        self.words.unlink(missing_ok=True)
        self.terminal.type("\x15", line, "\x0f", "\r")
        until(lambda: self.terminal.read() or self.words.exists(), f"the words of {line!r}")
        return self.words.read_bytes().decode().split("\0")[:-1]

    def end(self, line):
        """What can stand at the end of the line."""
        return set(self.all(line)[len(line.split()) - (not line.endswith(" ")) - 1:])

    def shown(self, line):
        """The screen when it lists what can stand there."""
        self.terminal.type("\x15", "clear\r")
        self.terminal.wait(lambda text: text.strip() == "$", "prompt alone")
        self.terminal.type(line, "\t", "\t")
        return self.terminal.wait_for("mp-completed")

    def close(self):
        self.terminal.__exit__()


class Bash(Typed):
    PROGRAM, WORDS = "/bin/bash", ["--noprofile", "--norc", "-i"]
    LINES = ["bind '\"\\C-o\": insert-completions'; bind 'set completion-query-items 0'; bind 'set page-completions off'", "source {scripts}/memprov.bash"]


class Zsh(Typed):
    PROGRAM, WORDS = "/usr/bin/zsh", ["-f", "-i"]
    LINES = ["unsetopt beep; bindkey -e; fpath=({directory} $fpath); autoload -U compinit && compinit -u -D",
             "zle -C all complete-word _generic; bindkey '^O' all",
             "zstyle ':completion:all:*' completer _all_matches _complete; zstyle ':completion:all:*' insert yes"]


class Fish:
    """It tells by itself what it would complete."""

    def __init__(self, scripts, directory):
        self.script, self.directory = scripts / "memprov.fish", directory / "files"
        (self.directory / "inner").mkdir(parents=True)
        for name in "one.json", "two words.json":
            (self.directory / name).touch()

    def shown(self, line):
        out = subprocess.run(["fish", "--no-config", "-c", f"source {self.script}; complete -C $argv[1]", line],
                             capture_output=True, text=True, check=True, cwd=self.directory,
                             env={**os.environ, "HOME": str(self.directory), "LC_ALL": "C.UTF-8"})
        assert out.stderr == ""
        return out.stdout

    def end(self, line):
        return {row.split("\t")[0].removesuffix("/") for row in self.shown(line).splitlines()}

    def close(self):
        pass


@pytest.fixture(scope="module", params=[Bash, Zsh, Fish], ids=lambda shell: shell.__name__.lower())
def shell(request, scripts, tmp_path_factory):
    running = request.param(scripts, tmp_path_factory.mktemp("shell"))
    yield running
    running.close()


def test_commands(shell):
    assert shell.end("memprov ") >= COMMANDS and shell.end("memprov hi") == {"history"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_options(shell, command):
    """Just those that --help lists; each with its choices, in either spelling."""
    options = listed(command)
    assert {"--help", "--version"} < set(options)
    assert shell.end(f"memprov {command} --") == {name for name in options if name.startswith("--")}
    for name, value in options.items():
        if not isinstance(value, list):
            continue
        assert shell.end(f"memprov {command} {name} ") == set(value)
        assert {word.removeprefix(f"{name}=") for word in shell.end(f"memprov {command} {name}=")} == set(value)


def test_values(shell):
    files = {"inner", "one.json", "two words.json"}

    def inserted(line):
        return {word.rstrip("/") for word in shell.end(line)}

    for line in "memprov diff ", "memprov diff one.json ", "memprov show -o ", "memprov serve --config ":
        assert inserted(line) == files, line
    assert inserted("memprov top --proc ") == {"inner"}
    assert shell.end("memprov top --sort ") == {"rss", "pss", "swap", "change", "growth", "pid", "name"}


def test_processes(shell):
    """By PID and, where memprov takes one, by name; but no threads of the kernel, and no name that is taken for an option."""
    with Agent() as agent, Agent() as dashed:
        agent.call("prctl", 15, b"mp-completed\0")
        dashed.call("prctl", 15, b"-mp-dash\0")
        assert shell.end("memprov show mp-compl") == {"mp-completed"}
        for line in "memprov show ", "memprov history ", "memprov serve --pid ":
            found = shell.end(line)
            assert {str(agent.pid), str(dashed.pid), str(os.getpid())} <= found, line
            assert ("mp-completed" in found) == (line == "memprov show ")
            assert not any("mp-dash" in word for word in found)
            assert not found & {"2", "kthreadd"}
        both = os.path.commonprefix([str(agent.pid), str(dashed.pid)])
        assert re.search(rf"\b{agent.pid}\W+mp-completed", shell.shown(f"memprov history {both}"))
        assert shell.end(f"memprov show {agent.pid}") >= {str(agent.pid)}


@pytest.mark.parametrize("name", ["$(touch x)", "a;b &|`c`", "mp:x=y z", "mp'q\"\\", "mp-\033[31mred"])
def test_hostile_names(shell, name):
    """A name is inserted as a word that means that name, whatever is in it, or not at all."""
    with Agent() as agent:
        agent.call("prctl", 15, name.encode() + b"\0")
        found = shell.end("memprov show ")
        assert str(agent.pid) in found
        assert name.isprintable() == (name in found)
        assert not (shell.directory / "x").exists() and not (shell.directory / "files" / "x").exists()


def test_the_program_that_run_starts(shell):
    for line in "memprov run mp-no-", "memprov run --touch off --all -- mp-no-", "memprov run --touch=off mp-no-":
        assert shell.end(line + "such") <= {"mp-no-such"}
    for line in "memprov run cat", "memprov run --touch off --all -- cat", "memprov run -touch=off cat":
        assert "cat" in shell.end(line), line
    for line in "memprov run cat o", "memprov run --touch off -- cat o":
        assert shell.end(line) == {"one.json"}, line
