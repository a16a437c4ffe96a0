// SPDX-License-Identifier: BSD-2-Clause
#include "cli/doctor.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "cli/probe.h"
#include "options.h"
#include "util/cleanup.h"
#include "util/log.h"

#define AS_ROOT	     "run it as root (sudo), or with CAP_BPF and CAP_PERFMON"
#define IN_CONTAINER "; in a container, add it to securityContext.capabilities"
#define NOT_CAP	     (-1)

struct check {
	const char *name;
	bool needed; /* for tracing */
	bool (*probe)(char detail[PROBE_DETAIL_LEN]);
	int capability; /* instead of a probe */
	const char *consequence;
	const char *remedy;
};

static const struct check checks[] = {
	{"kernel", true, probe__kernel, NOT_CAP,
	 "the BPF programs know system calls of x86-64 and arm64 only: no tracing",
	 "a machine of one of these"},
	{"BTF", true, probe__btf, NOT_CAP,
	 "BPF programs cannot be fitted to this kernel: no tracing",
	 "a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container, mount the host's /sys"},
	{"tracefs", false, probe__tracefs, NOT_CAP,
	 "the numbers of tracepoints are not known: no tracing, unless by fexit",
	 "run it as root (CAP_SYS_ADMIN mounts tracefs for the daemon alone), on a kernel with "
	 "CONFIG_FTRACE_SYSCALLS=y"},
	{"lockdown", true, probe__lockdown, NOT_CAP,
	 "BPF may not read kernel memory under confidentiality: no tracing",
	 "boot with lockdown=integrity, or without"},
	{"loading BPF", true, probe__load, NOT_CAP, "no tracing", AS_ROOT},
	{"attach backend", true, probe__attach, NOT_CAP, "no tracing",
	 "what the lines above ask for, and CAP_PERFMON"},
	{"ring buffer", true, probe__ring_buffer, NOT_CAP, "events cannot be passed on: no tracing",
	 "Linux 5.8 or later; " AS_ROOT},
	{"CONFIG_ANON_VMA_NAME", false, probe__anon_vma_name, NOT_CAP,
	 "smaps shows no [anon:...] names; memprov serve sees them being set, so only names from "
	 "before it started are missing",
	 "a kernel with CONFIG_ANON_VMA_NAME=y"},
	{"PAGEMAP_SCAN", false, probe__pagemap_scan, NOT_CAP,
	 "merged mappings are told apart page by page, which takes longer", "Linux 6.7 or later"},
	{"PROCMAP_QUERY", false, probe__procmap_query, NOT_CAP,
	 "single mappings are looked up in the text of maps, which takes longer",
	 "Linux 6.11 or later"},
	{"PID namespace", false, probe__pid_namespace, NOT_CAP,
	 "PIDs here are not the host's, which events carry: call sites cannot be joined",
	 "hostPID: true (docker: --pid=host), or --proc with the host's procfs"},
	{"CAP_BPF", false, NULL, CAP_BPF, "BPF is refused, unless CAP_SYS_ADMIN is there",
	 AS_ROOT IN_CONTAINER},
	{"CAP_PERFMON", false, NULL, CAP_PERFMON,
	 "attaching and reading kernel memory are refused, unless CAP_SYS_ADMIN is there",
	 AS_ROOT IN_CONTAINER},
	{"CAP_SYS_ADMIN", false, NULL, CAP_SYS_ADMIN,
	 "tracefs must be mounted and readable; frame numbers are hidden, so the zero page cannot "
	 "be told from others on kernels without PAGEMAP_SCAN",
	 "run it as root" IN_CONTAINER},
	{"CAP_SYS_PTRACE", false, NULL, CAP_SYS_PTRACE,
	 "only this user's own processes can be read", "run it as root" IN_CONTAINER},
	{"CAP_CHECKPOINT_RESTORE", false, NULL, CAP_CHECKPOINT_RESTORE,
	 "files that were deleted or lie in containers cannot be opened through map_files, unless "
	 "CAP_SYS_ADMIN is there",
	 "run it as root" IN_CONTAINER},
	{"CAP_DAC_READ_SEARCH", false, NULL, CAP_DAC_READ_SEARCH,
	 "files that other users keep to themselves cannot be read", "run it as root" IN_CONTAINER},
	{"CAP_SYS_RESOURCE", false, NULL, CAP_SYS_RESOURCE,
	 "RLIMIT_MEMLOCK cannot be raised, which BPF maps need on kernels before 5.11",
	 "nothing on later kernels; else run it as root" IN_CONTAINER},
};

int doctor__run(const struct options *options)
{
	char missing[128] = "", detail[PROBE_DETAIL_LEN];
	size_t len = 0;
	bool yes;

	libbpf_set_print(NULL); /* its failures are ours to tell */
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct check *c = &checks[i];

		detail[0] = '\0';
		yes = c->probe ? c->probe(detail) : probe__capability(c->capability, detail);
		printf("%-3s  %-22s  %s\n", yes ? "yes" : "no", c->name, detail);
		if (yes)
			continue;
		printf("     means:  %s\n     remedy: %s\n", c->consequence, c->remedy);
		if (c->needed)
			len += snprintf(missing + len, sizeof(missing) - len, "%s%s",
					len ? ", " : "", c->name);
	}
	if (len)
		printf("\nOnly smaps reports can run here, without call sites; tracing lacks: %s\n",
		       missing);
	else
		printf("\nTracing can run.\n");
	if (fflush(stdout) && errno != EPIPE) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return len ? EXIT_UNSUPPORTED : EXIT_DONE;
}
