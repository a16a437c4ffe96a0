// SPDX-License-Identifier: BSD-2-Clause
#include "cli/doctor.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/color.h"
#include "cli/probe.h"
#include "options/options.h"
#include "tracer/privilege.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/log.h"

#define AS_ROOT "run it as root (sudo), or with CAP_BPF and CAP_PERFMON"

struct check {
	const char *name;
	bool needed; /* for tracing */
	bool (*probe)(char detail[PROBE_DETAIL_LEN]);
	const char *consequence;
	const char *remedy;
};

static const struct check checks[] = {
	{"kernel", true, probe__kernel,
	 "the BPF programs know system calls of x86-64 and arm64 only: no tracing",
	 "a machine of one of these"},
	{"BTF", true, probe__btf, "BPF programs cannot be fitted to this kernel: no tracing",
	 "a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container, mount the host's /sys"},
	{"tracefs", false, probe__tracefs,
	 "the numbers of tracepoints are not known: no tracing, unless by fexit",
	 "run it as root (CAP_SYS_ADMIN mounts tracefs for the daemon alone), on a kernel with "
	 "CONFIG_FTRACE_SYSCALLS=y"},
	{"lockdown", true, probe__lockdown,
	 "BPF may not read kernel memory under confidentiality: no tracing",
	 "boot with lockdown=integrity, or without"},
	{"loading BPF", true, probe__load, "no tracing", AS_ROOT},
	{"attach backend", true, probe__attach, "no tracing",
	 "what the lines above ask for, and CAP_PERFMON"},
	{"ring buffer", true, probe__ring_buffer, "events cannot be passed on: no tracing",
	 "Linux 5.8 or later; " AS_ROOT},
	{"page faults", false, probe__page_faults,
	 "what touched memory first is not known: reports say what mapped it",
	 "run it as root, or with CAP_PERFMON; in a container, a seccomp profile that allows "
	 "perf_event_open"},
	{"CONFIG_ANON_VMA_NAME", false, probe__anon_vma_name,
	 "smaps shows no [anon:...] names; memprov serve sees them being set, so only names from "
	 "before it started are missing",
	 "a kernel with CONFIG_ANON_VMA_NAME=y"},
	{"PAGEMAP_SCAN", false, probe__pagemap_scan,
	 "merged mappings are told apart page by page, which takes longer", "Linux 6.7 or later"},
	{"PROCMAP_QUERY", false, probe__procmap_query,
	 "single mappings are looked up in the text of maps, which takes longer",
	 "Linux 6.11 or later"},
	{"whole /proc", false, probe__hidepid,
	 "other users' processes are hidden: only this user's can be read",
	 "run it as root (CAP_SYS_PTRACE), or mount /proc without hidepid"},
	{"PID namespace", false, probe__pid_namespace,
	 "PIDs here are not the host's, which events carry: call sites cannot be joined",
	 "hostPID: true (docker: --pid=host), or --proc with the host's procfs"},
};

struct finding {
	const char *name;
	bool yes;
	const char *detail;
	const char *consequence;
	const char *remedy;
};

static void tell(const struct finding *f, bool colored)
{
	printf("%s%-3s%s  %-22s  %s\n",
	       !colored ? ""
	       : f->yes ? COLOR_GOOD
			: COLOR_BAD,
	       f->yes ? "yes" : "no", colored ? COLOR_RESET : "", f->name, f->detail);
	if (!f->yes)
		printf("     means:  %s\n     remedy: %s\n", f->consequence, f->remedy);
}

/* Three commands each. */
static void tell_what_next(bool traces)
{
	static const char *const tracing[] = {
		"sudo memprov serve           the daemon; then http://127.0.0.1:6060 in a browser",
		"sudo memprov top             the processes of this machine; ? explains",
		"sudo memprov run -- CMD      one program from its first instruction to its end",
	};
	static const char *const reading[] = {
		"memprov show NAME            what a process holds, by its name or PID",
		"memprov top                  the processes of this machine; ? explains",
		"sudo memprov doctor          whether more is possible as root",
	};

	puts("Try next:");
	for (size_t i = 0; i < ARRAY_SIZE(tracing); i++)
		printf("  %s\n", (traces ? tracing : reading)[i]);
}

static void tell_privileges(bool colored)
{
	uint64_t effective = capability__effective();

	for (size_t i = 0; i < privileges_len; i++) {
		const struct privilege *p = &privileges[i];

		tell(&(struct finding){p->name, effective & CAPABILITY_BIT(p->capability), p->use,
				       p->without, p->remedy},
		     colored);
	}
}

int doctor__run(const struct options *options)
{
	char missing[128] = "", detail[PROBE_DETAIL_LEN];
	bool colored = color__wanted(options->color, STDOUT_FILENO), yes;
	size_t len = 0;

	libbpf_set_print(NULL); /* its failures are ours to tell */
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct check *c = &checks[i];

		detail[0] = '\0';
		yes = c->probe(detail);
		tell(&(struct finding){c->name, yes, detail, c->consequence, c->remedy}, colored);
		if (!yes && c->needed)
			len += snprintf(missing + len, sizeof(missing) - len, "%s%s",
					len ? ", " : "", c->name);
	}
	tell_privileges(colored);
	if (len)
		printf("\nOnly smaps reports can run here, without call sites; tracing lacks: %s\n",
		       missing);
	else
		printf("\nTracing can run.\n");
	tell_what_next(!len);
	if (fflush(stdout) && errno != EPIPE) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return len ? EXIT_UNSUPPORTED : EXIT_DONE;
}
