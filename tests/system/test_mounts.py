# SPDX-License-Identifier: BSD-2-Clause
"""Many mounts and many mapped files: what is read for a report grows with either, not with both."""
import pathlib

from memprov import Daemon, Target

FILES, MOUNTS = 2000, 1000
# In a mount namespace of its own.
PROGRAM = """
import ctypes, mmap, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
libc = ctypes.CDLL(None, use_errno=True)
base, files, mounts = sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3])
for i in range(mounts):
    point = b"%s/mount%d" % (base, i)
    os.mkdir(point)
    if libc.mount(b"none", point, b"tmpfs", 0, b"size=4k"):
        sys.exit(os.strerror(ctypes.get_errno()))
kept = []
for i in range(files):
    with open(b"%s/file%d" % (base, i), "w+b") as f:
        f.write(b"some text")
        f.truncate(4096)
        kept.append(mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ))
print("ready", flush=True)
sys.stdin.readline()
"""


def bytes_read(pid):
    """By all its threads, as the kernel counts them."""
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise AssertionError("no rchar")


def test_mounts_are_read_once_for_many_files(bpf, tmp_path):
    with Daemon() as daemon:
        with Target("/usr/bin/unshare", "--mount", "--propagation", "private", "/usr/bin/python3", "-c", PROGRAM,
                    tmp_path, FILES, MOUNTS) as target:
            assert target.line(50) == "ready"
            listed = len(pathlib.Path(f"/proc/{target.pid}/mountinfo").read_bytes())
            assert listed > MOUNTS * 50
            smaps = len(pathlib.Path(f"/proc/{target.pid}/smaps").read_bytes())
            before = bytes_read(daemon.pid)
            report = daemon.report(target.pid, all=1)
            read = bytes_read(daemon.pid) - before
            names = {region["name"] for region in report["regions"]}
            assert {f"{tmp_path}/file{i}" for i in range(FILES)} <= names
            # smaps, each file, the mounts for the report and for its symbols; and what the daemon reads of
            # others meanwhile. With the mounts for each file it would be more than this.
            assert read < FILES * listed / 3, (read, smaps, listed)
            assert FILES * listed / 3 > 5 * (smaps + FILES * 4096 + 4 * listed)
