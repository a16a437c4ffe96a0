# SPDX-License-Identifier: BSD-2-Clause
"""What reads the files of programs, when those are damaged, replaced, many, or made at run time."""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from memprov import (MIB, SANITIZED, SLOWER, Agent, Daemon, Target, family, functions, known_site, open_files,
                     status_kb, until)
from symbolizers import symbolizer


def shared_object(tmp):
    """A library with one function, which maps so much as it is told."""
    source = tmp / "grow.c"
    source.write_text("#include <sys/mman.h>\n"
                      "void *library_grow(unsigned long n) { void *p = mmap(0, n, 3, 0x22, -1, 0);"
                      " __asm__ volatile(\"\" ::: \"memory\"); return p; }\n")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", tmp / "libgrow.so", source], check=True)
    return tmp / "libgrow.so"


GROW = """if True:
    import ctypes, sys
    library = ctypes.CDLL(sys.argv[1])
    library.library_grow.restype = ctypes.c_void_p
    print("loaded", flush=True)
    sys.stdin.readline()
    print(library.library_grow(ctypes.c_ulong(0x345000)), flush=True)
    sys.stdin.readline()"""


def truncate(path):
    """In its section headers: without its code and data the process would not live."""
    with open(path, "r+b") as file:
        file.seek(40)
        os.truncate(path, int.from_bytes(file.read(8), "little") + 100)


def many_sections(path):
    with open(path, "r+b") as file:  # e_shoff, e_shentsize, e_shnum, e_shstrndx
        file.seek(40)
        file.write((64).to_bytes(8, "little"))
        file.seek(58)
        file.write(b"\x40\x00\xff\xff\xff\xfe")


def looping(path):
    """All sections are the same piece of noise."""
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        begin = int.from_bytes(data[40:48], "little")
        for i in range(begin, len(data) - 40, 64):
            data[i + 24:i + 40] = (0).to_bytes(8, "little") + len(data).to_bytes(8, "little")
        file.seek(0)
        file.write(data)


def sparse(path):
    os.truncate(path, 10 << 30)


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def device(path):
    path.unlink()
    os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero


def link(path):
    path.unlink()
    path.symlink_to("/proc/kcore")


def replaced(path):
    """By a good library in which everything lies elsewhere."""
    other = path.with_name("other.so")
    source = path.with_name("other.c")
    source.write_text("void library_wrong(void) {}\n" * 1 + "int library_other[10000];\n")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", other, source], check=True)
    other.rename(path)


def cpu_seconds(daemon):
    """Of each thread of the daemon and of those that it started."""
    return {path: int(path.read_text().split()[0]) / 1e9
            for pid in family(daemon)
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")}


@contextlib.contextmanager
def cheap(daemon):
    """An answer costs no more than 2 s of CPU time, however long it takes on this machine."""
    before = cpu_seconds(daemon)
    yield
    took = sum(seconds - before.get(thread, 0) for thread, seconds in cpu_seconds(daemon).items())
    print(f"{took:.2f} s of CPU")
    assert took < 2 * SLOWER


@pytest.mark.parametrize("damage", [truncate, many_sections, looping, sparse, fifo, device, link,
                                    replaced])
def test_hostile_files(daemon, agent, tmp_path, damage):
    """Done to a library after it was loaded: the answer comes, says at least where in which module,
    and answers about others are as always."""
    library = shared_object(tmp_path)
    control = agent.map(MIB)
    with Target("/usr/bin/python3", "-c", GROW, library) as target:
        assert target.line() == "loaded"
        damage(library)
        target.tell("grow")
        at = int(target.line())
        with cheap(daemon):
            site = known_site(daemon, target.pid, at)
        assert site["stack"], site
        # The mapping keeps what was there; of what was changed in place the rest is not known.
        frames = [f for f in site["stack"] if f["module"] and f["module"].startswith(str(library))]
        if damage in (fifo, device, link, replaced):
            assert frames[0]["function"] == "library_grow", site
        for frame in frames:
            assert int(frame["offset"], 16) < 65536 and frame["function"] in (None, "library_grow")
        assert site["stack"][0]["module"].startswith("/"), site["stack"][0]
        # of other processes
        other = known_site(daemon, agent.pid, control)
        assert functions(other)[-1] == "_start" and "serve" in functions(other)
    print(f"{damage.__name__}: {functions(site)[:4]}, truncated {site['truncated']}")


def test_a_child_that_hangs(bpf):
    """It is given up, not waited for, and the next one knows names again."""
    with Daemon() as daemon, Agent() as agent:
        worker = agent.thread()
        child = symbolizer(daemon, agent)
        os.kill(child, signal.SIGSTOP)
        at = agent.map(MIB, by=worker)
        frame = known_site(daemon, agent.pid, at)["stack"][0]
        assert frame["module"].endswith("/libc.so.6") and int(frame["offset"], 16) > 0, frame
        until(lambda: child not in family(daemon), "its end")
        site = known_site(daemon, agent.pid, agent.map(MIB))
        assert functions(site)[-1] == "_start", site


def test_three_hundred_programs(bpf, tmp_path):
    """The child's memory is bounded, and nothing is kept of programs that have ended."""
    source = tmp_path / "one.c"
    source.write_text("#include <stdlib.h>\n#include <unistd.h>\nstatic char pad[PAD] = {1};\n"
                      "int main(void) { char *p = malloc(3 << 20); p[1 << 20] = 1; "
                      "__asm__ volatile(\"\" :: \"r\"(p), \"r\"(pad) : \"memory\"); "
                      "pause(); }\n")
    subprocess.run(["gcc", "-g", "-O2", "-DPAD=100000", "-o", tmp_path / "one", source], check=True)
    good = (tmp_path / "one").read_bytes()
    with Daemon() as daemon, Agent() as agent:
        child = symbolizer(daemon, agent)
        programs, most = [], 0
        try:
            for i in range(300):
                path = tmp_path / f"program-{i:03}"
                path.write_bytes(good)
                path.chmod(0o755)
                programs.append(subprocess.Popen([path]))
            for i in range(0, 300, 7):
                report = daemon.report(programs[i].pid, all=1)
                names = [functions(site) for site in report["callsites"]]
                assert any("main" in stack and "__libc_malloc" in stack for stack in names), names
                most = max(most, status_kb(child, "VmHWM"))
            # Not the node: programs of others that are built meanwhile may take the child too long.
            daemon.report(agent.pid)
        finally:
            for program in programs:
                program.kill()
                program.wait()
        print(f"child: VmHWM {status_kb(child, 'VmHWM')} kB, VmPeak {status_kb(child, 'VmPeak')} kB,"
              f" VmData {status_kb(child, 'VmData')} kB; daemon: VmRSS "
              f"{status_kb(daemon.pid, 'VmRSS')} kB")
        if not SANITIZED:
            assert most < 256 * 1024
        for pid in (daemon.pid, child):
            until(lambda pid=pid: not [path for path in open_files(pid) if "program-" in path],
                  "their files to be let go")
        assert child in family(daemon), "the child was replaced"


# --- code that is made, files that go -----------------------------------------------------------


def test_a_replaced_library_is_read_through_the_mapping(daemon, tmp_path):
    library = shared_object(tmp_path)
    with Target("/usr/bin/python3", "-c", GROW, library) as target:
        assert target.line() == "loaded"
        replaced(library)
        target.tell("grow")
        site = known_site(daemon, target.pid, int(target.line()))
    assert functions(site)[1] == "library_grow"
    assert functions(site)[-1] == "_start" and not site["truncated"]


def test_perf_map_in_another_mount_namespace(daemon, tmp_path):
    """Of node in a namespace with a /tmp of its own, where no other process sees its map."""
    script = tmp_path / "jit.js"
    script.write_text("function hotLeaf(keep, i) { keep.push(Buffer.alloc(1 << 21, i)); return 1; }\n"
                      "function hotLoop(keep) { let n = 0; for (let i = 0; i < 60; i++) "
                      "n += hotLeaf(keep, i); return n; }\n"
                      "const keep = []; hotLoop(keep); hotLoop(keep);\n"
                      "console.log('ready ' + process.pid); setInterval(() => {}, 1000);\n")
    with Target("/usr/bin/unshare", "-m", "/bin/sh", "-c",
                f"mkdir -p {tmp_path}/own && cp {script} {tmp_path}/own && "
                f"mount --bind {tmp_path}/own /tmp && exec node --perf-basic-prof "
                "--interpreted-frames-native-stack /tmp/jit.js", cwd=tmp_path) as target:
        assert target.line().startswith("ready")
        assert not os.path.exists(f"/tmp/perf-{target.pid}.map")
        report = daemon.report(target.pid, all=1)
    names = {name for site in report["callsites"] for name in functions(site) if name}
    assert [name for name in names if "hotLoop" in name], sorted(names)[:50]
