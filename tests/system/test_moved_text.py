# SPDX-License-Identifier: BSD-2-Clause
"""Anonymous memory where a file's code belongs: the file's, if it is the same code."""
import os
import pathlib
import re
import subprocess

import pytest

from memprov import MIB, WORKLOADS, Target, functions, site_at
from test_hostile_files import shared_object

SOURCE = pathlib.Path(__file__).parents[1] / "workloads" / "moved_text.c"
OURS = ["grow_cache", "serve_requests", "main"]


def site_of(daemon, target):
    pid, at = target.line().split()
    report = daemon.report(int(pid), all=1)
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return site_at(report, int(at, 16))[0], re.findall(r"^\S+ r[w-]xp 00000000 00:00 0 +$", maps, re.M)


@pytest.mark.parametrize("how", ["n", "a", "m", "af", "mf"])
def test_moved_text_is_the_files(daemon, how):
    """Names, outer frames and owner, as if it had not been moved; in a forked child too."""
    with Target("moved_text", how) as target:
        site, anonymous = site_of(daemon, target)
    assert len(anonymous) == (how != "n"), anonymous
    names = functions(site)
    assert names[names.index("grow_cache"):][:3] == OURS, names
    assert names[-1] == "_start" and not site["truncated"], site
    path = os.path.join(WORKLOADS, "moved_text")
    assert site["owner"] == {"function": "grow_cache", "module": path}
    assert site["stack_source"] == "cfi"
    assert [f["module"] for f in site["stack"] if f["function"] in OURS] == [path] * 3


@pytest.mark.parametrize("flags", [["-no-pie"], ["-static-pie"], ["-static"],
                                   ["-Wl,-z,noseparate-code"], ["-Wl,-z,max-page-size=0x200000"],
                                   ["-s"]], ids=lambda flags: flags[0])
@pytest.mark.parametrize("how", ["a", "m"])
def test_however_it_was_linked(daemon, tmp_path, how, flags):
    program = tmp_path / "moved"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O2", "-g", "-w", *flags, "-o", program, SOURCE], check=True)
    with Target(str(program), how) as target:
        site, anonymous = site_of(daemon, target)
    assert len(anonymous) == 1
    assert not site["truncated"], site
    modules = [f["module"] for f in site["stack"] if not f["inlined"]]
    assert modules.count(str(program)) >= 3, site
    if "-s" not in flags:
        names = functions(site)
        assert names[names.index("grow_cache"):][:3] == OURS, names


@pytest.mark.parametrize("how", ["a", "m"])
def test_a_librarys_text(daemon, tmp_path, how):
    """All of its executable mapping: nothing of that is left."""
    library = shared_object(tmp_path)
    with Target("moved_text", how, library) as target:
        site, anonymous = site_of(daemon, target)
    assert len(anonymous) == 1
    names = functions(site)
    assert names[names.index("library_grow"):][:2] == ["library_grow", "main"], names
    assert site["owner"] == {"function": "library_grow", "module": str(library)}
    assert not site["truncated"]


def test_other_code_over_a_files(daemon):
    """Code made at run time over a function of the program is not that function."""
    with Target("moved_text", "o") as target:
        site, anonymous = site_of(daemon, target)
    assert len(anonymous) == 1
    assert "decoy" not in functions(site), site
    made = site["stack"][[f["function"] for f in site["stack"]].index(None)]
    assert made["module"] is None and made["function"] is None, site
    assert [f["function"] for f in site["stack"] if f["function"] in OURS] == ["main"], site


def test_node_with_large_pages(daemon):
    """Node moves its text when it is told to, unless that is in a library, as Debian's is."""
    script = ("const keep = []; for (let i = 0; i < 8; i++) keep.push(Buffer.alloc(4 << 20, i));"
              "console.log('ready'); setInterval(() => {}, 1000)")
    with Target("/usr/bin/node", "--use-largepages=on", "-e", script) as target:
        assert target.line() == "ready"
        report = daemon.report(target.pid, all=1)
        maps = pathlib.Path(f"/proc/{target.pid}/maps").read_text().splitlines()
    library = next((line.split()[-1] for line in maps if "/libnode.so" in line), None)
    moved = [line for i, line in enumerate(maps) if re.fullmatch(r"\S+ r-xp 00000000 00:00 0 +", line)
             and maps[i - 1].endswith("/node") and maps[i + 1].endswith("/node")]
    text, = [line for line in maps if " r-xp " in line and line.endswith(library)] if library else moved
    lo, hi = (int(word, 16) for word in text.split()[0].split("-"))
    assert hi - lo >= 2 * MIB and bool(moved) != bool(library)
    base = min(int(line.split("-")[0], 16) for line in maps if line.endswith(library)) if library else 0
    buffers = [site for site in report["callsites"]
               if site["rss"] >= 16 * MIB and
               any("AllocateUninitialized" in (name or "") for name in functions(site))]
    assert buffers, [functions(site) for site in report["callsites"]]
    for site in buffers:
        of_node = [f for f in site["stack"] if f["module"] == (library or "/usr/bin/node")]
        # Debian's has no names for some.
        assert len(of_node) > 10 and (library or all(f["function"] for f in of_node)), site
        assert not site["truncated"] and functions(site)[-1] == "_start", site
        inside = [f for f in of_node if lo <= base + int(f["offset"], 16) < hi]
        assert len(inside) > 5, site
