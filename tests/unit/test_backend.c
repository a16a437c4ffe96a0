// SPDX-License-Identifier: BSD-2-Clause
/* Which programs of the object are used by which backend, and what a kernel may lack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collect/backend.h"
#include "collect/preemption.h"
#include "memprov.skel.h"

static void test_sections(void **state)
{
	static const struct {
		const char *section, *function;
		bool tracepoints, fexit;
	} cases[] = {
		{"tracepoint/syscalls/sys_exit_mmap", NULL, true, false},
		{"fexit/__x64_sys_mmap", "__x64_sys_mmap", false, true},
		{"fentry/__arm64_sys_munmap", "__arm64_sys_munmap", false, true},
		{"raw_tracepoint/sched_process_fork", NULL, true, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *function = section__function(cases[i].section);

		assert_int_equal(attach_by__uses(ATTACH_BY_TRACEPOINTS, cases[i].section),
				 cases[i].tracepoints);
		assert_int_equal(attach_by__uses(ATTACH_BY_FEXIT, cases[i].section),
				 cases[i].fexit);
		assert_int_equal(!function, !cases[i].function);
		if (function)
			assert_string_equal(function, cases[i].function);
	}
	assert_string_equal(attach_by__name(ATTACH_BY_FEXIT), "fexit");
	assert_string_equal(attach_by__name(ATTACH_BY_TRACEPOINTS), "tracepoint");
}

static size_t selected(const struct memprov_bpf *skel)
{
	struct bpf_program *program;
	size_t n = 0;

	bpf_object__for_each_program (program, skel->obj)
		n += bpf_program__autoload(program);
	return n;
}

/* Both see the same calls: as many programs, and for each of one kind its twin of the other. */
static void test_each_call_is_seen_by_both(void **state)
{
	struct memprov_bpf *skel = memprov_bpf__open();
	struct bpf_program *program;
	size_t n;

	assert_non_null(skel);
	attach_by__select(ATTACH_BY_TRACEPOINTS, skel->obj);
	n = selected(skel);
	assert_int_equal(n, 10 + 5 + 1);
	bpf_object__for_each_program (program, skel->obj) {
		const char *name = bpf_program__name(program);
		bool enter = strncmp(name, "enter_", 6) == 0;
		char twin[64];

		if (!enter && strncmp(name, "exit_", 5))
			continue;
		assert_true(bpf_program__autoload(program));
		snprintf(twin, sizeof(twin), "%s%s", enter ? "fentry_" : "fexit_",
			 strchr(name, '_') + 1);
		assert_non_null(bpf_object__find_program_by_name(skel->obj, twin));
		assert_false(
			bpf_program__autoload(bpf_object__find_program_by_name(skel->obj, twin)));
	}
	attach_by__select(ATTACH_BY_FEXIT, skel->obj);
	assert_int_equal(selected(skel), n);
	memprov_bpf__destroy(skel);
}

static void add_function(struct btf *btf, const char *name)
{
	int type = btf__add_func_proto(btf, 0);

	assert_true(btf__add_func(btf, name, BTF_FUNC_STATIC, type) > 0);
}

static void test_missing_functions(void **state)
{
	struct memprov_bpf *skel = memprov_bpf__open();
	struct btf *kernel = btf__new_empty();
	struct bpf_program *program;
	char why[256] = "untouched", full[16];

	assert_non_null(skel);
	assert_non_null(kernel);
	bpf_object__for_each_program (program, skel->obj) {
		const char *name = section__function(bpf_program__section_name(program));

		if (name && !strstr(name, "shmat") && !strstr(name, "_brk"))
			add_function(kernel, name);
	}
	assert_int_equal(fexit__find_functions(skel->obj, kernel, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "no function __"));
	assert_non_null(strstr(why, "sys_brk, __"));
	assert_non_null(strstr(why, "sys_shmat"));
	assert_null(strstr(why, "mmap"));
	/* Cut where the room ends. */
	assert_int_equal(fexit__find_functions(skel->obj, kernel, full, sizeof(full)), -ENOENT);
	assert_int_equal(strlen(full), sizeof(full) - 1);

	bpf_object__for_each_program (program, skel->obj) {
		const char *name = section__function(bpf_program__section_name(program));

		if (name && (strstr(name, "shmat") || strstr(name, "_brk")))
			add_function(kernel, name);
	}
	strcpy(why, "untouched");
	assert_int_equal(fexit__find_functions(skel->obj, kernel, why, sizeof(why)), 0);
	assert_string_equal(why, "untouched");
	btf__free(kernel);
	memprov_bpf__destroy(skel);
}

static void test_preemption(void **state)
{
	static const struct {
		const char *version, *modes;
		bool on;
	} cases[] = {
		{"#1 SMP Debian 6.12.117-1~deb12u1 (2026-11-01)", NULL, false},
		{"#1 SMP PREEMPT Mon Nov 23 05:37:32 UTC 2026", NULL, true},
		{"#1 SMP PREEMPT_RT Debian 6.1.192-2", NULL, true},
		{"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2", "none (voluntary) full \n", false},
		{"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2", "(none) voluntary full \n", false},
		{"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2", "none voluntary (full) \n", true},
		{"#1 SMP PREEMPT_DYNAMIC @0", "none voluntary full (lazy) \n", true},
		{"#1 SMP PREEMPT_DYNAMIC @0", "", true},
		{"#1 SMP PREEMPT_DYNAMIC @0", NULL, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(preemption__is_told(cases[i].version, cases[i].modes),
				 cases[i].on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_each_call_is_seen_by_both),
		cmocka_unit_test(test_missing_functions),
		cmocka_unit_test(test_preemption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
