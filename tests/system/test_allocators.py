# SPDX-License-Identifier: BSD-2-Clause
"""The owner of memory is the function that asked an allocator or a runtime for it, however that is linked in."""
import os
import platform
import subprocess

import pytest

from memprov import MIB, Target, by_owner, check_sums, until

LIBRARIES = f"/usr/lib/{platform.machine()}-linux-gnu"

# Half of the rows lie in pieces that an allocator maps by the dozen, half are large.
ROWS = """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static void *keep[4096];
__attribute__((noinline)) void *malloc_pool_grow(int size)
{
	void *row = ALLOC(size);

	memset(row, 1, size);
	return row;
}
__attribute__((noinline)) void *ingest(int i)
{
	void *row = malloc_pool_grow(i % 2 ? 262144 : 1000);

	__asm__ volatile("" :: "r"(row));
	return row;
}
int main(void)
{
	START;
	for (int i = 0; i < 384; i++)
		keep[i] = ingest(i);
	puts("ready");
	fflush(stdout);
	pause();
}
"""

MALLOC = ["-include", "stdlib.h", "-DALLOC(n)=malloc(n)", "-DSTART="]
MIMALLOC = ["-include", "mimalloc.h", "-DALLOC(n)=mi_malloc(n)", "-DSTART="]
BOEHM = ["-include", "gc.h", "-DALLOC(n)=GC_malloc_uncollectable(n)", "-DSTART=GC_INIT()"]
APR = ["-include", "apr_pools.h", "-I/usr/include/apr-1.0", "-D_GNU_SOURCE",
       "-DALLOC(n)=apr_palloc(pool, n)",
       "-DSTART=apr_pool_t *p; apr_initialize(); apr_pool_create(&p, NULL); pool = p"]

BUILDS = {
    "glibc": ["gcc", *MALLOC],
    "glibc, static": ["gcc", "-static", *MALLOC],
    "glibc, static-pie": ["gcc", "-static-pie", *MALLOC],
    "musl": ["musl-gcc", *MALLOC],
    "musl, static": ["musl-gcc", "-static", *MALLOC],
    "jemalloc": ["gcc", *MALLOC, "-ljemalloc"],
    "jemalloc, static": ["gcc", *MALLOC, f"{LIBRARIES}/libjemalloc.a", "-lm", "-lstdc++"],
    "gperftools": ["gcc", *MALLOC, "-Wl,--no-as-needed", "-ltcmalloc_minimal"],
    "gperftools, static": ["gcc", *MALLOC, "-Wl,--whole-archive",
                           f"{LIBRARIES}/libtcmalloc_minimal.a", "-Wl,--no-whole-archive",
                           "-lstdc++", "-lm"],
    "mimalloc": ["gcc", *MIMALLOC, "-lmimalloc"],
    "Boehm": ["gcc", *BOEHM, "-lgc"],
    "Boehm, static": ["gcc", *BOEHM, f"{LIBRARIES}/libgc.a"],
    "oneTBB": ["gcc", "-include", "tbb/scalable_allocator.h", "-DALLOC(n)=scalable_malloc(n)",
               "-DSTART=", "-ltbbmalloc"],
    "APR": ["gcc", *APR, "-lapr-1"],
    "talloc": ["gcc", "-include", "talloc.h", "-DALLOC(n)=talloc_size(NULL, n)", "-DSTART=",
               "-ltalloc"],
}


def build(tmp, words, *more):
    (tmp / "rows.c").write_text(ROWS.replace("static void", "POOL static void", 1))
    pool = "-DPOOL=static apr_pool_t *pool;" if "-lapr-1" in words else "-DPOOL="
    subprocess.run([words[0], "-O1", pool, str(tmp / "rows.c"), "-o", str(tmp / "rows"), *words[1:],
                    *more], check=True)
    return tmp / "rows"


@pytest.mark.parametrize("name", BUILDS)
def test_the_owner_asked_the_allocator(daemon, tmp_path, name):
    """What is inside malloc never owns, also where it is linked in; malloc_pool_grow only sounds
    like an allocator."""
    with Target(str(build(tmp_path, BUILDS[name]))) as target:
        assert target.line() == "ready"
        report = daemon.report(target.pid, all=1)
    check_sums(report)
    owned = by_owner(report["callsites"])
    assert set(owned) <= {"malloc_pool_grow", "main", None}, owned
    # 192 large rows; some of the first may lie in what the allocator mapped when it began.
    assert owned["malloc_pool_grow"] >= 46 * MIB, owned
    heap = report["breakdown"]["runtime"]["heap"]
    assert heap >= 48 * MIB, report["breakdown"]


def build_leak(tmp, *more):
    return build(tmp, ["musl-gcc", "-static", *MALLOC], *more)


def test_a_static_musl_program_is_unwound_without_its_help(daemon, tmp_path):
    """musl has neither call frame information nor frame pointers: the call chain follows from what
    the calls say. Stripped, there are offsets instead of names, and as many of them."""
    stacks = []
    for strip in ([], ["-s"]):
        with Target(str(build_leak(tmp_path, *strip))) as target:
            assert target.line() == "ready"
            report = daemon.report(target.pid, all=1)
        site = report["callsites"][0]
        assert site["rss"] >= 48 * MIB and not site["truncated"]
        stacks.append(site["stack"])
    named, stripped = stacks
    assert [frame["function"] for frame in named][1:4] == ["malloc_pool_grow", "ingest", "main"]
    assert named[-1]["function"] == "_start"
    assert len(stripped) == len(named)
    assert all(frame["module"] and frame["offset"] for frame in stripped)


def test_small_growth_is_attributed(daemon, tmp_path):
    """20,000 rows of 1,000 bytes, which musl maps in pieces far below --stack-min; in a tenth of a
    second and more, since so many stacks of small pieces are copied in a second and no more."""
    program = tmp_path / "rows"
    (tmp_path / "rows.c").write_text(ROWS.replace("i % 2 ? 262144 : 1000", "1000")
                                     .replace("i < 384", "i < 20000").replace("[4096]", "[20000]")
                                     .replace("int main(void)", "int usleep(unsigned);\nint main(void)")
                                     .replace("keep[i] =", "i % 200 || usleep(5000), keep[i] ="))
    subprocess.run(["musl-gcc", "-static", "-O1", *MALLOC, str(tmp_path / "rows.c"), "-o",
                    str(program)], check=True)

    def owned():
        with Target(str(program)) as target:
            assert target.line() == "ready"
            report = daemon.report(target.pid, all=1)
        return sum(site["rss"] for site in report["callsites"]
                   if site["owner"] and site["owner"]["function"] == "malloc_pool_grow")

    # Another process if others of the machine had the stacks of that second, or the request could not wait for them.
    until(lambda: owned() >= 18 * 1000 * 1000, "the owner of nearly all")


RUBY = """
strings = Array.new(300_000) { |i| "k#{i}" }
large = Array.new(40) { "x" * (1 << 20) }
puts "ready"
$stdout.flush
sleep 1000
"""

ERLANG = """
B = [binary:copy(<<"x">>, 1048576 + I) || I <- lists:seq(1, 20)],
T = ets:new(t, [set, public]),
[ets:insert(T, {I, lists:seq(1, 30)}) || I <- lists:seq(1, 60000)],
io:format("ready~n"), receive never -> B end.
"""

SBCL = """
(defvar *rows* (loop for i below 40 collect
  (make-array 1048576 :element-type '(unsigned-byte 8) :initial-element 1)))
(format t "ready~%") (finish-output) (sleep 1000)
"""

PHP = """$a = []; for ($i = 0; $i < 40; $i++) $a[] = str_repeat("x", 1 << 20); echo "ready\n";
sleep(1000);"""

LUA = """K = {} for i = 1, 40 do K[i] = string.rep("x", 1048576) .. i end
print("ready") io.stdout:flush() io.read()"""

R = """a <- lapply(1:40, function(i) rnorm(131072)); cat("ready\n"); Sys.sleep(1000)"""

GUILE = """(use-modules (rnrs bytevectors))
(define b (map (lambda (i) (make-bytevector 1048576 1)) (iota 40)))
(display "ready\n") (force-output) (sleep 1000)"""

INTERPRETERS = {
    "ruby": ["/usr/bin/ruby", "-e", RUBY],
    "erlang": ["/usr/bin/erl", "-noshell", "-eval", ERLANG],
    "sbcl": ["/usr/bin/sbcl", "--non-interactive", "--no-userinit", "--eval",
             f"(progn {SBCL})"],
    "php": ["/usr/bin/php", "-r", PHP],
    "lua": ["/usr/bin/lua5.4", "-e", LUA],
    "luajit": ["/usr/bin/luajit", "-e", LUA],
    "R": ["/usr/bin/R", "--slave", "--no-save", "-e", R],
    "guile": ["/usr/bin/guile", "--no-auto-compile", "-c", GUILE],
}


@pytest.mark.parametrize("name", INTERPRETERS)
def test_an_interpreters_memory_is_its_heap(daemon, name):
    """Nearly all that is anonymous is the runtime's, and no function of the interpreter owns it."""
    def known():
        """As above."""
        with Target(*INTERPRETERS[name], stderr=subprocess.DEVNULL) as target:
            while target.line(60) != "ready":
                pass
            report = daemon.report(target.pid, all=1)
        runtime = sum(report["breakdown"]["runtime"].values())
        anonymous = sum(report["breakdown"]["anonymous"].values())
        heap = report["breakdown"]["runtime"]["heap"]
        return report if heap >= 20 * MIB and runtime >= 0.9 * (runtime + anonymous) else None

    report = until(known, "nearly all to be the runtime's")
    check_sums(report)
    assert not report["breakdown"]["named"]
    owners = {site["owner"]["module"] for site in report["callsites"] if site["owner"]}
    program = os.path.realpath(INTERPRETERS[name][0])
    assert program not in owners, owners
