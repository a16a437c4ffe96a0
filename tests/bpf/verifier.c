// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads the programs of one backend and prints what each cost the verifier: one line each, its name
 * and the instructions that were walked (bpf_prog_info.verified_insns, Linux 5.16).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "collect/backend.h"
#include "memprov.skel.h"

static int print_all(const struct memprov_bpf *skel)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, skel->obj) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (!bpf_program__autoload(program))
			continue;
		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			return -errno;
		printf("%s %u\n", bpf_program__name(program), info.verified_insns);
	}
	return 0;
}

int main(int argc, char **argv)
{
	enum attach_by by = argc > 1 && !strcmp(argv[1], attach_by__name(ATTACH_BY_FEXIT))
				    ? ATTACH_BY_FEXIT
				    : ATTACH_BY_TRACEPOINTS;
	struct memprov_bpf *skel = memprov_bpf__open();
	bool keep_cpu = false;
	char why[256] = "";
	int err = skel ? 0 : -errno;

	if (!err && by == ATTACH_BY_FEXIT)
		err = fexit__probe(skel->obj, &keep_cpu, why, sizeof(why));
	if (!err) {
		skel->rodata->keep_cpu = keep_cpu;
		attach_by__select(by, skel->obj);
		err = memprov_bpf__load(skel); /* libbpf prints the verifier's log */
	}
	if (!err)
		err = print_all(skel);
	if (err)
		fprintf(stderr, "%s: %s\n", attach_by__name(by), *why ? why : strerror(-err));
	memprov_bpf__destroy(skel);
	return err ? 1 : 0;
}
