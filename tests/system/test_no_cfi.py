# SPDX-License-Identifier: BSD-2-Clause
"""Programs without call frame information: what earlier calls have left on the stack is no caller."""
import re
import subprocess

import pytest

from memprov import Daemon, Target, functions, region_at, sites_of

# Prints, for each mapping, its address and the functions that led to it, innermost first.
SOURCE = r"""
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define NOINLINE __attribute__((noinline, noclone))
#define STAYS __asm__ volatile("" ::: "memory") /* so that no call is a jump */

static char *made;
static sigjmp_buf back;

NOINLINE void leaf(void) { made = mmap(0, 262144, 3, 34, -1, 0); STAYS; }
NOINLINE void on_event(void) { leaf(); STAYS; }
NOINLINE void on_other(void) { char text[64]; snprintf(text, 64, "%d", 3); leaf(); STAYS; }
NOINLINE void dispatch(void (*f)(void)) { f(); STAYS; }
NOINLINE void loop(int k) { volatile char pad[32]; pad[0] = k; dispatch(k & 1 ? on_event : on_other); pad[1] = 1; STAYS; }
NOINLINE void enlarge(void) { made = realloc(malloc(20), 320000); made = (char *)((size_t)made & ~4095UL); STAYS; }
NOINLINE void on_signal(int n) { leaf(); STAYS; }
NOINLINE void on_fault(int n) { leaf(); siglongjmp(back, 1); }
NOINLINE void ask(int depth) { volatile char pad[100]; pad[0] = 1; if (depth) ask(depth - 1); else raise(SIGUSR1); pad[1] = 1; STAYS; }
NOINLINE void call_nowhere(void) { void (*volatile f)(void) = 0; f(); STAYS; }
NOINLINE void tell(const char *names) { printf("%zx %s\n", (size_t)made, names); fflush(stdout); }

int main(void)
{
	signal(SIGUSR1, on_signal);
	signal(SIGSEGV, on_fault);
	for (int k = 0; k < 4; k++) {
		loop(k);
		tell(k & 1 ? "leaf on_event dispatch loop main" : "leaf on_other dispatch loop main");
	}
	enlarge();
	tell("enlarge main");
	ask(2);
	tell("leaf on_signal ask ask ask main");
	if (!sigsetjmp(back, 1))
		call_nowhere();
	tell("leaf on_fault call_nowhere main");
	puts("ready");
	fflush(stdout);
	getchar();
}
"""

NAMES = {"main", *re.findall(r"NOINLINE void (\w+)", SOURCE)}
WITHOUT = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
BUILDS = {
    "the program": ["gcc", "-O2", *WITHOUT],
    "the program, with frame pointers": ["gcc", "-O2", *WITHOUT, "-fno-omit-frame-pointer"],
    "nothing": ["gcc", "-O2"],
    "musl": ["musl-gcc", "-O2", "-static"],
    "musl and the program": ["musl-gcc", "-O2", "-static", *WITHOUT],
    "musl, a library": ["musl-gcc", "-O2"],
}


@pytest.mark.parametrize("build", BUILDS)
def test_callers(bpf, tmp_path, build):
    program = tmp_path / "program"
    subprocess.run([*BUILDS[build], "-fno-ipa-icf", "-x", "c", "-", "-o", program], input=SOURCE, text=True, check=True)
    with Daemon() as daemon, Target(str(program)) as target:
        made = []
        while (line := target.line()) != "ready":
            address, *names = line.split()
            made.append((int(address, 16), names))
        report = daemon.report(target.pid, all=1)
    assert len(made) == 7
    sites = sites_of(report)
    for address, names in made:
        site = sites[region_at(report, address)["callsite"]]
        ours = [name for name in functions(site) if name in NAMES]
        assert ours == names and not site["truncated"], (build, names, site["stack"])
