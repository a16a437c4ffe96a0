# SPDX-License-Identifier: BSD-2-Clause
"""Functions of JavaScript, which Node names in a perf map where it is told to."""
import itertools
import json
import os
import pathlib
import re
import textwrap

import pytest

from memprov import MIB, PAGE, Target, by_owner, until

NODE = "/usr/bin/node"
MAP = ["--perf-basic-prof", "--interpreted-frames-native-stack"]
# So that malloc maps each of the buffers, always.
ENVIRONMENT = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}

KEEPERS = """
    const kept = [];

    class Cache {
        grow(size) { kept.push(Buffer.alloc(size, 1)); }
    }

    function leak(size) { kept.push(Buffer.alloc(size, 1)); }
    function load() { leak(1 << 20); }

    const cache = new Cache();
    for (let i = 0; i < 80; i++) {
        load();
        if (i % 4 == 0) cache.grow(1 << 20);
    }
    console.log('ready');
    setInterval(() => {}, 1e6);
"""
LEAKED, CACHED = 80 * MIB, 20 * MIB


@pytest.fixture
def node(tmp_path):
    class Node(Target):
        def __init__(self, source, *flags, name="program.js"):
            self.path = tmp_path / name
            self.path.write_text(textwrap.dedent(source).lstrip("\n"))
            # V8 also leaves a log where it is.
            super().__init__(NODE, *flags, self.path, env=ENVIRONMENT, cwd=tmp_path)

        def close(self):
            super().close()
            pathlib.Path(f"/tmp/perf-{self.pid}.map").unlink(missing_ok=True)

    return Node


def javascript(site):
    return [(frame["function"], frame["file"], frame["line"]) for frame in site["stack"]
            if frame["language"] == "javascript"]


def buffers(report):
    """The call sites of Node's buffers."""
    return [site for site in report["callsites"]
            if any("NodeArrayBufferAllocator" in (frame["function"] or "") for frame in site["stack"])]


# --- who keeps it -------------------------------------------------------------------------------


def test_two_functions_that_keep_buffers(daemon, node):
    """They own, and not Node's functions inside, in which both ask for the memory."""
    def attempt():
        with node(KEEPERS, *MAP) as target:
            assert target.line() == "ready"
            target.settle()
            report = daemon.report(target.pid, all=1)
        mapped = by_owner(report["callsites"])
        # A stack that found no room where it waits is none, and its mapping has no call site.
        return mapped.get("leak", 0) >= LEAKED and mapped.get("grow", 0) >= CACHED and (report, str(target.path))

    report, path = until(attempt, "all that they keep")
    mapped, touched = by_owner(report["callsites"]), by_owner(report["touch"]["sites"])
    assert LEAKED <= mapped["leak"] < LEAKED + MIB and CACHED <= mapped["grow"] < CACHED + MIB, mapped
    assert abs(touched["leak"] / (touched["leak"] + touched["grow"]) - 0.8) < 0.15, touched
    frames = {site["owner"]["function"]: javascript(site) for site in report["callsites"]
              if site["owner"] and site["owner"]["function"] in ("leak", "grow")}
    own = {name: [frame for frame in stack if frame[1] == path] for name, stack in frames.items()}
    assert own == {"leak": [("leak", path, 7), ("load", path, 8), ("(anonymous)", path, 1)],
                   "grow": [("grow", path, 4), ("(anonymous)", path, 1)]}
    assert all(file == path or file.startswith("node:") for stack in frames.values() for _, file, _ in stack)


def test_the_text_has_file_line_and_column(daemon, node):
    with node(KEEPERS, *MAP) as target:
        assert target.line() == "ready"
        text = until(lambda: re.search(r"  OWNER leak in (\S+)\n", found := daemon.text(target.pid)) and found,
                     "the owner")
        told = pathlib.Path(f"/tmp/perf-{target.pid}.map").read_text()
    # Node 18 has no column there, 20 has.
    place, = set(re.findall(rf":[~^+*]*leak ({target.path}:7(?::14)?)$", told, re.M))
    assert re.search(rf"^    leak +{place}$", text, re.M), text


def test_without_the_flag(daemon, node):
    """Of code without a name nothing is said; what Node and V8 did is."""
    with node(KEEPERS) as target:
        assert target.line() == "ready"
        target.settle()
        report = daemon.report(target.pid, all=1)
    assert report["runtime"] == "node"
    sites = report["callsites"] + report["touch"]["sites"]
    assert not [frame for site in sites for frame in site["stack"] if frame["language"]]
    assert {"leak", "grow"}.isdisjoint(by_owner(sites))
    # Both are in one sum, and it has no owner.
    found = buffers(report)
    assert found and not [site for site in found if site["owner"]]


def test_what_is_interpreted_needs_the_second_flag(daemon, node):
    with node(KEEPERS, "--perf-basic-prof", "--no-sparkplug", "--no-opt") as target:
        assert target.line() == "ready"
        report = daemon.report(target.pid, all=1)
    assert not [site for site in report["callsites"] if javascript(site)]


# --- every frame --------------------------------------------------------------------------------

# Says in which functions it is when it maps; V8's own names of them, without what a method belongs to.
WITNESS = """
    const kept = [];
    function where() {
        const old = Error.prepareStackTrace;
        Error.stackTraceLimit = 100;
        Error.prepareStackTrace = (_, sites) => sites.filter(site => site.getFileName() === __filename &&
            !site.isAsync()).map(site => site.getFunctionName());
        const frames = new Error().stack;
        Error.prepareStackTrace = old;
        return frames;
    }
    let size = 1 << 20;
    function tell() {
        size += 1 << 16;
        console.log(JSON.stringify([size, where().slice(2)]));
        return size;
    }
    class Cache {
        get fresh() { kept.push(Buffer.alloc(tell(), 1)); return 1; }
        static make() { kept.push(new Uint8Array(tell())); }
        async later() { await null; kept.push(Buffer.allocUnsafe(tell())); }
        'two words'() { kept.push(Buffer.alloc(tell(), 1)); }
        *produce() { while (true) { kept.push(Buffer.alloc(tell(), 1)); yield 1; } }
    }
    const arrow = () => { kept.push(Buffer.alloc(tell(), 1)); };
    function recurse(n) { if (n) return recurse(n - 1) + 1; arrow(); return 0; }
    function größe() { [2, 1].sort((a, b) => { kept.push(Buffer.alloc(tell(), 1)); return a - b; }); }
    function called() { 'aa'.replace(/a/g, function byReplace() { kept.push(Buffer.alloc(tell(), 1)); return 'b'; }); }
    function rest() { kept.push(new ArrayBuffer(tell())); kept.push(Buffer.allocUnsafeSlow(tell())); }
    const cache = new Cache();
    const produced = cache.produce();
    async function main() {
        for (let i = 0; i < 3; i++) {
            cache.fresh;
            Cache.make();
            await cache.later();
            cache['two words']();
            produced.next();
            recurse(9);
            größe();
            called();
            rest();
        }
        console.log('ready');
    }
    main();
    setInterval(() => {}, 1e6);
"""
MODES = {"interpreted": ["--no-sparkplug", "--no-opt"], "Sparkplug": ["--always-sparkplug", "--no-opt"]}


@pytest.mark.parametrize("mode", MODES)
def test_every_frame_is_the_one_that_was_there(daemon, node, mode):
    """How much each chain of the program's functions has mapped. On a busy machine a stack may find no room where it
    waits, and then its mapping has no call site: another program is begun."""
    def attempt():
        expected, found = {}, {}
        with node(WITNESS, *MAP, *MODES[mode]) as target:
            while (line := target.line()) != "ready":
                size, frames = json.loads(line)
                chain = tuple(name or "(anonymous)" for name in frames)
                expected[chain] = expected.get(chain, 0) + size
            report = daemon.report(target.pid, all=1)
        for site in buffers(report):
            chain = tuple(name for name, file, _ in javascript(site) if file == str(target.path))
            if chain:  # Node begins with buffers of its own
                found[chain] = found.get(chain, 0) + site["total_mapped"]
        assert found.keys() <= expected.keys()
        assert all(size < expected[chain] + 8 * PAGE for chain, size in found.items())
        return all(found.get(chain, 0) >= size for chain, size in expected.items()) and found

    assert len(until(attempt, "the call site of each buffer")) == 11


# --- code that comes ----------------------------------------------------------------------------


def test_code_that_is_made_while_it_is_watched(daemon, node):
    """Each function is called as soon as it is made: the map that names it was read before."""
    source = """
        const kept = [];
        require('readline').createInterface({input: process.stdin}).on('line', name => {
            const made = new Function('kept', `return function ${name}() { kept.push(Buffer.alloc(1 << 20, 1)); }`)(kept);
            made();
            console.log(name);
        });
        console.log('ready');
    """
    with node(source, *MAP) as target:
        assert target.line() == "ready"

        def is_seen(name):
            target.tell(name)
            assert target.line() == name
            owners = {site["owner"] and site["owner"]["function"] for site in buffers(daemon.report(target.pid, all=1))
                      if site["total_mapped"] >= MIB}
            # If its stack found no room where it waits, it has no call site; but nothing has one without a name.
            assert owners <= made | {name}
            made.update(owners)
            return name in owners

        made, number = set(), itertools.count()
        for _ in range(20):
            until(lambda: is_seen(f"made{next(number)}"), "a stack")
