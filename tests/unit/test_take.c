// SPDX-License-Identifier: BSD-2-Clause
/* Taking reports from a procfs that is not quite one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/take.h"
#include "util/cleanup.h"

static char proc[] = "/tmp/memprov-take-XXXXXX";

static void write_file(int pid, const char *name, const char *text)
{
	_cleanup_file_ FILE *f = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
}

static void link_to_ours(pid_t pid, const char *name)
{
	char path[PATH_MAX], target[64];

	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	snprintf(target, sizeof(target), "/proc/self/%s", name);
	assert_int_equal(symlink(target, path), 0);
}

static void write_process(int pid, const char *smaps)
{
	char stat[256];

	snprintf(stat, sizeof(stat),
		 "%d (some) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0 0\n", pid);
	write_file(pid, "stat", stat);
	write_file(pid, "smaps", smaps);
	/* A memory map that a process has. */
	link_to_ours(pid, "statm");
	link_to_ours(pid, "pagemap");
	link_to_ours(pid, "auxv");
}

static const char one_page[] =
	"00001000-00002000 rw-p 00000000 00:00 0 \n"
	"Size: 4 kB\nRss: 4 kB\nPss: 4 kB\nShared_Clean: 0 kB\nShared_Dirty: 0 kB\n"
	"Private_Clean: 0 kB\nPrivate_Dirty: 4 kB\nAnonymous: 4 kB\nAnonHugePages: 0 kB\n"
	"Shared_Hugetlb: 0 kB\nPrivate_Hugetlb: 0 kB\nSwap: 0 kB\nSwapPss: 0 kB\nLocked: 0 kB\n"
	"VmFlags: rd wr\n";

static int set_up(void **state)
{
	return mkdtemp(proc) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf %s", proc);
	return system(command);
}

/* A node report once failed, under load, because of one process. */
static void test_a_process_that_makes_no_sense(void **state)
{
	struct taker *taker = taker__new(&(struct taker_config){.proc = proc});
	struct report *report;

	assert_non_null(taker);
	write_process(10, one_page);
	write_file(11, "stat", "garbage");
	write_process(12, "garbage\n");
	write_process(13, one_page);
	assert_int_equal(taker__node(taker, &CALLER_OURSELVES, NULL, &report), 0);
	assert_int_equal(report->n_processes, 2);
	assert_int_equal(report->totals.rss, 8192);
	assert_int_equal(report->unreadable_processes, 2);
	report__free(report);
	taker__free(taker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_process_that_makes_no_sense),
	};

	return cmocka_run_group_tests_name("take", tests, set_up, tear_down);
}
