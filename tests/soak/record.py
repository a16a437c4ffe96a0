# SPDX-License-Identifier: BSD-2-Clause
"""What is written down of the daemon every ten seconds, and how fast each of it may grow."""
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import platform
import re
import struct
import time

from memprov import MIB, family, patiently, smaps
from slopes import theil_sen
from symbolizers import pagemap_server

LIBC = ctypes.CDLL(None)
BPF_CALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
MAP_GET_NEXT_KEY, MAP_GET_FD_BY_ID = 4, 14
TABLES = ("ledgers", "known_stacks", "touches", "waiting_stacks", "callsites", "reports")


@dataclasses.dataclass
class Series:
    """`bound`: what it may grow by in an hour, in its own unit; `most`: what it may be, where it fills up to a size of its
    own. None of both: it is told, and not judged."""
    name: str
    unit: str
    bound: float | None
    most: float | None = None


# 0.1 MiB an hour, and of what is counted as much as takes so much memory, or less: a thread has a stack of 16 KiB in the
# kernel, an entry of a map takes less than 256 bytes; descriptors run out (at 1,024 of them, or 65,536) long before memory.
SERIES = {
    "rss": Series("RSS of the daemon, without its ring", "MiB", 0.1),
    "ring": Series("of the ring, mapped twice", "MiB", None),
    "children": Series("RSS of the launcher and the symbolizers", "MiB", None),
    "child": Series("RSS of the largest symbolizer", "MiB", None),
    "descriptors": Series("descriptors of the daemon", "", 1),
    "threads": Series("threads of the daemon", "", 1),
    "processes": Series("its processes", "", 1),
    "entries": Series("entries of BPF's hash tables", "", 400),
    "map_bytes": Series("memory of BPF's maps", "MiB", 0.1),
    **{table: Series(table.replace("_", " "), "MiB", 0.1) for table in TABLES},
    "callsites_count": Series("call sites", "", 100),
    # --history-size is 1 MiB. The files may pass it by what a reader keeps in the log: 1.09 in an hour.
    "history": Series("history, as it counts itself", "MiB", None, 1.0),
    "sqlite": Series("SQLite's files", "MiB", None, 1.125),
    "cpu": Series("CPU, of a core", "%", None),
    "load": Series("load of the machine", "", None),
}


@dataclasses.dataclass
class Moment:
    hours: float  # since the beginning
    rest: bool    # nothing of the mix has run for ten seconds at least
    values: dict


def bpf(command, *attribute):
    """The system call; -1 where it fails. Attributes of 8 bytes each."""
    words = struct.pack(f"={len(attribute)}Q", *attribute)
    return LIBC.syscall(BPF_CALL, command, words, len(words))


def hash_tables(pid):
    """{id: bytes of a key} of the BPF maps that a process holds and that have as many entries as were put in."""
    found = {}
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            fields = dict(re.findall(r"^(\w+):\s+(\d+)$", info.read_text(), re.M))
            if fields.get("map_type") in ("1", "9"):  # BPF_MAP_TYPE_HASH, …_LRU_HASH
                found[int(fields["map_id"])] = int(fields["key_size"])
    return found


def entries(pid):
    n = 0
    for number, key_size in hash_tables(pid).items():
        table = bpf(MAP_GET_FD_BY_ID, number)
        here, following = None, ctypes.create_string_buffer(key_size)
        # What is deleted meanwhile leads back to the beginning: never more than there is room for.
        for _ in range(1 << 17):
            if bpf(MAP_GET_NEXT_KEY, table, ctypes.addressof(here) if here else 0, ctypes.addressof(following)):
                break
            here, following = following, here or ctypes.create_string_buffer(key_size)
            n += 1
        os.close(table)
    return n


def resident(pid):
    """Bytes of a process that may be ending."""
    with contextlib.suppress(OSError, IndexError):
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return 0


def cpu_seconds(pids):
    used = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


class Recorder:
    def __init__(self, daemon, history):
        self.daemon, self.history_file = daemon, pathlib.Path(history)
        self.began = self.last = time.monotonic()
        self.used = {}  # CPU time by process: what has ended keeps what it had
        self.moments, self.counters = [], {}

    def hours(self):
        return (time.monotonic() - self.began) / 3600

    def cpu(self, pids):
        before = sum(self.used.values())
        self.used |= {pid: max(cpu_seconds([pid]), self.used.get(pid, 0)) for pid in pids}
        now, since = time.monotonic(), self.last
        self.last = now
        return 100 * (sum(self.used.values()) - before) / (now - since)

    def take(self, rest):
        daemon, others = self.daemon.pid, [*family(self.daemon)[1:], pagemap_server(self.daemon)]
        metrics = patiently(self.daemon.metrics)
        vmas = smaps(daemon)
        ring = sum(v.rss for v in vmas if v.name == "anon_inode:bpf-map")
        sizes = [resident(pid) for pid in others]
        status = pathlib.Path(f"/proc/{daemon}/status").read_text()
        values = {
            "rss": (sum(v.rss for v in vmas) - ring) / MIB,
            "ring": ring / MIB,
            "children": sum(sizes) / MIB,
            "child": max(sizes[1:], default=0) / MIB,
            "descriptors": len(os.listdir(f"/proc/{daemon}/fd")),
            "threads": int(re.search(r"^Threads:\s+(\d+)", status, re.M)[1]),
            "processes": 1 + len(others),
            "entries": entries(daemon),
            "map_bytes": metrics["memprov_bpf_map_bytes"] / MIB,
            **{table: metrics[f'memprov_memory_bytes{{what="{table}"}}'] / MIB for table in TABLES},
            "callsites_count": metrics["memprov_callsites"],
            "history": metrics["memprov_history_bytes"] / MIB,
            "sqlite": sum(path.stat().st_size for path in
                          self.history_file.parent.glob(self.history_file.name + "*")) / MIB,
            "cpu": self.cpu([daemon, *others]),
            "load": os.getloadavg()[0],
        }
        self.counters = metrics
        self.moments.append(Moment(self.hours(), rest, values))

    def judged(self, warm_up):
        """{key: its slope} of each moment at rest behind the warm-up, in hours."""
        rests = self.rests(warm_up)
        return {key: theil_sen([m.hours for m in rests], [m.values[key] for m in rests]) for key in SERIES}

    def rests(self, warm_up=0):
        return [moment for moment in self.moments if moment.rest and moment.hours >= warm_up]


def growing(slopes):
    """What is certain to grow by more than it may: the keys."""
    return [key for key, series in SERIES.items() if series.bound is not None and slopes[key].low > series.bound]


def too_large(moments):
    """What was larger than it may be: the keys."""
    return [key for key, series in SERIES.items()
            if series.most is not None and max(moment.values[key] for moment in moments) > series.most]
