# SPDX-License-Identifier: BSD-2-Clause
"""What one process's files and stacks have to do with another's, when both are unwound: nothing."""
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from memprov import Daemon, Target, family, functions, known_site, open_files, until

CANARY = "a canary that root has on its stack"
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
GROW = """\
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
__attribute__((noinline)) void *grown(const char *text)
{
	volatile char copy[128];
	void *at;

	for (unsigned i = 0; i < sizeof(copy); i++)
		copy[i] = text[i % strlen(text)];
	at = mmap(0, 0x345000, 3, 0x22, -1, 0);
	__asm__ volatile("" :: "r"(copy) : "memory");
	return at;
}
int main(int argc, char **argv)
{
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF) {
		printf("%p\\n", grown(argv[1]));
		fflush(stdout);
	}
	return 0;
}
"""


@pytest.fixture
def program():
    """Without names but in a debug file, which is not where it is looked for; where all may go."""
    with tempfile.TemporaryDirectory(prefix="memprov-domains-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        (directory / "grow.c").write_text(GROW)
        path = directory / "grow"
        subprocess.run(["gcc", "-g", "-O1", "-o", path, directory / "grow.c"], check=True)
        subprocess.run(["objcopy", "--strip-debug", "--redefine-sym", "grown=poisoned", path,
                        directory / "other.debug"], check=True)
        for debug, source in (("other.debug", "other.debug"), ("own.debug", "grow")):
            subprocess.run(["objcopy", "--only-keep-debug", directory / source, directory / debug],
                           check=True)
        subprocess.run(["strip", path], check=True)
        yield path


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes)[1]


def names(daemon, target):
    """Of the functions of the program that its newest mapping has."""
    target.tell("")
    site = known_site(daemon, target.pid, int(target.line(), 16))
    return [frame["function"] for frame in site["stack"]
            if (frame["module"] or "").endswith("/grow")]


def start(program, *prefix, text="nothing"):
    target = Target(*([shutil.which(prefix[0]), *prefix[1:]] if prefix else []), str(program), text)
    assert target.line() == "ready"
    return target


def has_in_memory(pid, text):
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(word, 16) for word in line.split()[0].split("-"))
            if line.split()[1].startswith("rw"):
                memory.seek(begin)
                try:
                    if text in memory.read(end - begin):
                        return True
                except (OSError, MemoryError):  # a sanitizer reserves terabytes
                    pass
    return False


def test_a_debug_file_in_a_namespace_of_its_own(bpf, program):
    """A user makes a mount namespace, and in it a debug file for a program that root runs, too: its
    names are its own. It is first."""
    id_ = build_id(program)
    place = f"/usr/lib/debug/.build-id/{id_[:2]}"
    plant = (f"mount -t tmpfs none /usr/lib/debug && mkdir -p {place} && "
             f"cp {program.with_name('other.debug')} {place}/{id_[2:]}.debug && exec \"$@\"")
    with Daemon() as daemon, \
            start(program, "unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", plant,
                  "sh") as attacker, \
            start(program) as victim:
        assert names(daemon, attacker)[0] == "poisoned"
        assert "poisoned" not in names(daemon, victim)
        assert names(daemon, attacker)[0] == "poisoned"


def test_a_debug_file_of_somebody_else(bpf, program):
    """It is read for those who may read it."""
    debug = program.with_name("own.debug")
    (program.parent / ".debug").mkdir()
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", program], check=True)
    place = program.parent / ".debug" / "own.debug"
    debug.rename(place)
    place.chmod(0o600)
    with Daemon() as daemon, start(program) as root, start(program, *AS_NOBODY) as user:
        assert "grown" not in names(daemon, user)
        assert "grown" in names(daemon, root)
        assert "grown" not in names(daemon, user)


def test_a_stack_of_root_s(bpf, program):
    """It is not in the process that reads its user's files."""
    other = program.parent / "users" / "grow"
    other.parent.mkdir()
    other.parent.chmod(0o755)
    shutil.copy(program, other)
    # Samples of first touches would come over it in the packet that it was in.
    with Daemon("--touch", "off") as daemon, start(program, text=CANARY) as root, \
            start(other, *AS_NOBODY, text="nothing of it") as user:
        def found():
            names(daemon, root)
            names(daemon, user)
            children = family(daemon)[2:]
            return [[pid for pid in children if str(path) in open_files(pid)]
                    for path in (program, other)]

        (of_root,), (of_user,) = until(lambda: all(pair := found()) and pair, "both symbolizers")
        assert of_root != of_user

        def keeps_it():
            """Another stack of root's may have come over it in the packet."""
            with start(program, text=CANARY) as again:
                names(daemon, again)
                return has_in_memory(of_root, CANARY.encode())

        until(keeps_it, "root's stack in the process that unwinds it")
        assert not has_in_memory(of_user, CANARY.encode())
