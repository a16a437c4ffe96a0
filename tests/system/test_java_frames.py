# SPDX-License-Identifier: BSD-2-Clause
"""Frames of Java, against what the program says of its own stack. (tests/workloads/JavaPlaces.java)"""
import os
import pathlib
import re
import subprocess

import pytest

from memprov import MIB, WORKLOADS, Target, by_owner, exact_report, until

CLASSES = os.path.join(WORKLOADS, "java")
LIBRARY = os.path.join(CLASSES, "libjava_places.so")
STEP = 64 << 10

# Before they run first, methods of these classes are compiled, and no others: all of them would take a minute.
COMPILED = ["-Xcomp", "-XX:CompileCommand=quiet",
            *(f"-XX:CompileCommand=compileonly,{classes}::*"
              for classes in ("JavaPlaces*", "java.nio.*", "jdk.internal.misc.Unsafe", "java.lang.Thread"))]
MODES = {
    "mixed, G1": ["-XX:+UseG1GC"],
    "interpreted, Serial": ["-Xint", "-XX:+UseSerialGC"],
    "C1, Parallel": [*COMPILED, "-XX:TieredStopAtLevel=1", "-XX:+UseParallelGC"],
    "C2, G1": [*COMPILED, "-XX:-TieredCompilation", "-XX:+UseG1GC"],
}


def java(*words):
    # Each piece of malloc's has a mapping of its own, whatever was freed before.
    return Target("/usr/bin/java", "-Xshare:auto", *words[0], "-cp", CLASSES, "JavaPlaces", *words[1:],
                  env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"})


# --- places -------------------------------------------------------------------------------------


def told(line):
    """A place: its size, and the frames as (function, file, line)."""
    size, *frames = line.split()
    parsed = []
    for frame in frames:
        function, file, number = re.fullmatch(r"(.*)@(.*):(-?\d+)", frame).groups()
        # Of a hidden class the name goes on with an address.
        function = re.sub(r"/0x[0-9a-f]+", "", function)
        parsed.append((function, None if file == "null" else file, int(number) if int(number) > 0 else None))
    return int(size), parsed


def java_frames(site):
    """Without HotSpot's stubs."""
    return [(frame["function"], frame["file"], frame["line"]) for frame in site["stack"]
            if frame["language"] == "java" and not frame["function"].startswith("~")]


def site_of(report, size, expected):
    """A mapping has some pages more than what was asked for; HotSpot's own may be as large."""
    found = [site for site in report["callsites"]
             if 0 <= site["total_mapped"] - size < STEP and expected[0] in java_frames(site)]
    return found[0] if len(found) == 1 else None


def places(daemon, tmp_path, mode):
    """Its places, (frames, call site) of each. On a busy machine a stack may find no room where it waits, and then
    its mapping has no call site: another program is begun."""
    def attempt():
        with java(MODES[mode], "places", LIBRARY, tmp_path / "file") as target:
            lines = []
            while (line := target.line()) != "ready":
                lines.append(told(line))
            report = daemon.report(target.pid, all=1)
        assert len(lines) == 20
        sites = [site_of(report, size, frames) for size, frames in lines]
        return all(sites) and list(zip([frames for _, frames in lines], sites))

    return until(attempt, "the place of each mapping")


@pytest.mark.parametrize("mode", MODES)
def test_frames_are_those_that_the_program_knows(daemon, tmp_path, mode):
    """Functions, files and lines, all of them; the method that asked for the memory owns it."""
    wrong, frames = [], 0
    for expected, site in places(daemon, tmp_path, mode):
        found = java_frames(site)
        names = [name for name, _, _ in found]
        # The JDK's own functions are inside, and the native method that cannot tell of itself.
        inner = names.index(expected[0][0])
        assert all(name.startswith(("java.", "jdk.", "sun.")) or name == "JavaPlaces.mapHere"
                   for name in names[:inner]), names
        found = found[inner:]
        frames += len(expected)
        wrong += [pair for pair in zip(expected, found) if pair[0] != pair[1]]
        assert len(found) == len(expected), (expected, found)
        assert not site["truncated"] and site["stack_source"] == "cfi", site
        if "JavaPlaces.mapHere" not in names:
            assert site["owner"] == {"function": expected[0][0], "module": None}, site
    assert frames > 120
    assert not wrong


@pytest.mark.parametrize("mode", MODES)
def test_machine_code_between(daemon, tmp_path, mode):
    """Java that machine code calls that Java calls: each stands where it stood."""
    site = next(site for frames, site in places(daemon, tmp_path, mode)
                if any("callBack" in frame[0] for frame in frames))
    names = [(frame["function"] or "").removeprefix("JavaPlaces.") for frame in site["stack"]]
    kept = [name for name in names if re.fullmatch("direct|calledBack|callBack|call_java|places|main|"
                                                   "Java_JavaPlaces_callBack|~StubRoutines::call_stub", name)]
    once = ["callBack", "calledBack", "~StubRoutines::call_stub", "call_java", "Java_JavaPlaces_callBack"]
    assert kept == (["direct", *(once[1:] + once[:1]) * 4, "places", "main", "~StubRoutines::call_stub"]), kept
    assert names[-1] in ("__clone3", "clone3"), names


def test_compiled_methods_are_inlined(daemon, tmp_path):
    """What C2 inlined is a frame of its own, marked so; the interpreter inlines nothing."""
    inlined = {}
    for mode in ("interpreted, Serial", "C2, G1"):
        frames = [frame for _, site in places(daemon, tmp_path, mode) for frame in site["stack"]
                  if frame["language"] == "java"]
        inlined[mode] = [frame["function"] for frame in frames if frame["inlined"]]
        assert all(frame["offset"] == "0x0" and frame["module"] is None for frame in frames)
    assert not inlined["interpreted, Serial"]
    assert "java.nio.ByteBuffer.allocateDirect" in inlined["C2, G1"]


# --- who keeps it -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_the_leak_is_that_of_the_method(daemon, mode):
    """Direct buffers by two methods, at random turns: who mapped them, and who touched them."""
    def attempt():
        with java(MODES[mode], "keepers", 7, 64) as target:
            amounts = [int(word) for word in target.line().split()]
            assert target.line() == "ready"
            target.settle()
            report = daemon.report(target.pid, all=1)
        found = by_owner(report["callsites"])
        return found.get("JavaPlaces.leak", 0) >= amounts[0] and found.get("JavaPlaces.cache", 0) >= amounts[1] and \
            (report, *amounts)

    report, leaked, cached = until(attempt, "the leak")
    mapped = by_owner(report["callsites"])
    assert leaked <= mapped["JavaPlaces.leak"] < leaked + MIB
    assert cached <= mapped["JavaPlaces.cache"] < cached + MIB
    touched = by_owner(report["touch"]["sites"])
    share = touched["JavaPlaces.leak"] / (touched["JavaPlaces.leak"] + touched["JavaPlaces.cache"])
    assert abs(share - leaked / (leaked + cached)) < 0.15, (share, touched)


# --- flags of the JVM -----------------------------------------------------------------------------


def touching(daemon, *flags, then=lambda target: None):
    """What touched 48 MiB, by C2's code: the functions of each stack, up to the program's."""
    def attempt():
        with java([*COMPILED, "-XX:-TieredCompilation", *flags], "touches") as target:
            assert target.line() == "ready"
            then(target)
            sites = daemon.report(target.pid, all=1)["touch"]["sites"]
        stacks = [[name for name, _, _ in java_frames(site)] for site in sites]
        # The allocator touches pages of its own, now and then in a sample.
        return sorted(stack[:stack.index("JavaPlaces.touches")] for stack in stacks if "JavaPlaces.fill" in stack)

    # On a busy machine samples may be lost.
    return until(lambda: len(found := attempt()) == 2 and found, "both that touch it")


FILLED = [["JavaPlaces.fill", "JavaPlaces.most"], ["JavaPlaces.fill", "JavaPlaces.some"]]


def test_lines_between_safepoints(daemon):
    """With the flag the inlined method that touches is named, without it the one around it."""
    assert touching(daemon) == FILLED
    assert touching(daemon, "-XX:+UnlockDiagnosticVMOptions", "-XX:+DebugNonSafepoints") == \
        [["jdk.internal.misc.Unsafe.putByte", "sun.misc.Unsafe.putByte", *stack] for stack in FILLED]


def test_a_perf_map_and_frame_pointers_change_nothing(daemon):
    maps = []

    def write_map(target):
        subprocess.run(["/usr/bin/jcmd", str(target.pid), "Compiler.perfmap"], check=True, capture_output=True)
        maps.append(pathlib.Path(f"/tmp/perf-{target.pid}.map"))
        assert "JavaPlaces" in maps[-1].read_text()

    try:
        assert touching(daemon, "-XX:+PreserveFramePointer", then=write_map) == FILLED
    finally:
        for path in maps:
            path.unlink()


# --- the collector ------------------------------------------------------------------------------

COLLECTORS = {"G1": r"G1|WorkGang|Gang", "Parallel": r"PS|Parallel|GCTask|Gang", "Serial": r"DefNew|Generation|Serial"}


@pytest.mark.parametrize("collector", COLLECTORS)
def test_the_collectors_touches_are_its_own(daemon, collector):
    """Its threads copy objects to fresh pages: no method of the program's is said to have touched them."""
    with java([f"-XX:+Use{collector}GC", "-Xmx96m", "-Xms16m"], "garbage") as target:
        assert target.line() == "ready"
        target.settle()
        report = exact_report(daemon, target.pid)
    theirs = [site for site in report["touch"]["sites"]
              if any(re.search(COLLECTORS[collector], frame["function"] or "") for frame in site["stack"]) and
              not any(frame["language"] for frame in site["stack"])]
    assert theirs
    assert not [site for site in theirs if site["owner"]]
    assert by_owner(report["touch"]["sites"]).get("JavaPlaces.garbage", 0) > 0
