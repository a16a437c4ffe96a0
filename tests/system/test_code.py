# SPDX-License-Identifier: BSD-2-Clause
"""Programs that map code by the thousand, as runtimes with W^X and plugin hosts do."""
import subprocess

import pytest

from memprov import Daemon, Target, functions, sites_of

MAPS_READ = "memprov_symbolizer_maps_read_total"
DROPPED = "memprov_stacks_dropped_total"


def first_report(how, count):
    """The regions of a burst in the report that was asked for as soon as it was ready, and how
    often the map of any process was read until then. Again where others on the machine had so many
    stacks waiting that some were dropped, or so many maps: what is wrong is wrong every time."""
    for _ in range(8):
        with Daemon() as daemon, Target("burst", count, how) as target:
            before = daemon.metrics()
            assert target.line() == "ready"
            report = daemon.report(target.pid, all=1)
            after = daemon.metrics()
        reads = after[MAPS_READ] - before[MAPS_READ]
        if after[DROPPED] == before[DROPPED] and reads < count / 10:
            break
    sites = sites_of(report)
    regions = [region for region in report["regions"]
               if ("memfd:burst" in (region["name"] or "") if "f" in how else
                   region["virtual"] >= 65536 and not region["inode"])]
    print(f"{how} {count}: {len(regions)} regions, {reads:.0f} maps read")
    return regions, sites, reads


@pytest.mark.parametrize("how", ["f", *(pytest.param(how, marks=pytest.mark.plain)
                                        for how in ("fx", "fm", "fxw", "fxr", "fxv", "fxk", "fxp")), "fxu"])
def test_code_mapped_by_the_thousand(bpf, how):
    """One reading of the map serves them all, and every one has its call site at once."""
    # A thread's stacks are larger, and 8 MiB of copies may wait for a CPU.
    count = 1000 if "p" in how else 4000
    regions, sites, reads = first_report(how, count)
    assert len(regions) == (0 if "u" in how else 2 * count if "w" in how else count)
    for region in regions:
        site = sites.get(region["callsite"])
        assert site, region
        # Where too many stacks are copied at once, some are lists that end in the C library.
        if site["stack_source"] == "cfi":
            assert "make" in functions(site), site
    assert reads < count / 10


LIBRARIES = """if True:
    import ctypes, sys, time
    kept = []
    time.sleep(float(sys.argv.pop(1)))
    for path in sys.argv[2:]:
        library = ctypes.CDLL(path)
        library.library_grow.restype = ctypes.c_void_p
        kept.append(library.library_grow(ctypes.c_ulong(0x345000)))
        if sys.argv[1] == "close":
            import _ctypes
            _ctypes.dlclose(library._handle)
    print(*kept, flush=True)
    sys.stdin.readline()"""


@pytest.mark.parametrize("keep, age", [("keep", 0), ("close", 0), ("close", 1.5)])
def test_hundreds_of_libraries(bpf, tmp_path, keep, age):
    """Each calls mmap itself. Those that are there have their names; those that are gone, whose
    addresses others got, have no others' names, also where the map is read while they come and go:
    the stacks of a process that is a second old are unwound at once."""
    count = 300
    source = tmp_path / "grow.c"
    source.write_text("#include <sys/mman.h>\n"
                      "__attribute__((noinline)) static void *only_NUMBER(unsigned long n) { void *p = mmap(0, n, 3, 0x22, -1, 0);"
                      ' __asm__ volatile("" ::: "memory"); return p; }\n'
                      "void *library_grow(unsigned long n) { void *p = only_NUMBER(n);"
                      ' __asm__ volatile("" ::: "memory"); return p; }\n')
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o",
                    tmp_path / "lib.so", source], check=True)
    whole = (tmp_path / "lib.so").read_bytes()
    paths = []
    for i in range(count):
        paths.append(tmp_path / f"lib{i:04}.so")
        paths[-1].write_bytes(whole.replace(b"only_NUMBER", b"only_%06d" % i))
    with Daemon() as daemon, Target("/usr/bin/python3", "-c", LIBRARIES, age, keep, *paths) as target:
        places = [int(word) for word in target.line().split()]
        report = daemon.report(target.pid, all=1)
    sites, named = sites_of(report), 0
    for i, place in enumerate(places):
        region = next(r for r in report["regions"]
                      if int(r["start"], 16) <= place < int(r["end"], 16))
        site = sites.get(region["callsite"])
        names = [name for name in functions(site) if name] if site else []
        others = [name for name in names if name.startswith("only_") and name != f"only_{i:06}"]
        assert not others, (i, names)
        named += f"only_{i:06}" in names
    print(f"{keep}: {named} of {count} named")
    if keep == "keep":
        assert named == count
