// SPDX-License-Identifier: BSD-2-Clause
#include "collect/backend.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

/* The kernel's own errno, which it lets out where an architecture has no trampolines. */
#define ENOTSUPP 524

static const char *const names[] = {
	[ATTACH_BY_TRACEPOINTS] = "tracepoint",
	[ATTACH_BY_FEXIT] = "fexit",
};

const char *attach_by__name(enum attach_by by)
{
	return names[by];
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

const char *section__function(const char *section)
{
	if (!starts_with(section, "fentry/") && !starts_with(section, "fexit/"))
		return NULL;
	return strchr(section, '/') + 1;
}

bool attach_by__uses(enum attach_by by, const char *section)
{
	if (section__function(section))
		return by == ATTACH_BY_FEXIT;
	return by == ATTACH_BY_TRACEPOINTS || !starts_with(section, "tracepoint/");
}

void attach_by__select(enum attach_by by, struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object)
		bpf_program__set_autoload(program,
					  attach_by__uses(by, bpf_program__section_name(program)));
}

int fexit__find_functions(const struct bpf_object *object, const struct btf *kernel, char *why,
			  size_t why_len)
{
	struct bpf_program *program;
	size_t len = 0;

	bpf_object__for_each_program (program, object) {
		const char *name = section__function(bpf_program__section_name(program));

		if (!name || btf__find_by_name_kind(kernel, name, BTF_KIND_FUNC) >= 0)
			continue;
		if (len < why_len)
			len += snprintf(why + len, why_len - len, "%s%s",
					len ? ", " : "the kernel has no function ", name);
	}
	return len ? -ENOENT : 0;
}

static const char *reason(int err)
{
	return err == -ENOTSUPP ? "not supported on this architecture" : strerror(-err);
}

/* Of all the functions, the one that is called least: to attach to it for a moment costs nothing
 * anything. */
static int rare_function(const struct bpf_object *object, const struct btf *kernel)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, "fentry_shmdt");

	if (!program)
		return -ENOENT;
	return btf__find_by_name_kind(kernel, section__function(bpf_program__section_name(program)),
				      BTF_KIND_FUNC);
}

static int try(int function, enum bpf_attach_type type, char *why, size_t why_len)
{
	/* return 0; */
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type,
		    .attach_btf_id = function);
	_cleanup_close_ int program = -1, link = -1;
	int err;

	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "memprov_probe", "GPL", nothing,
				ARRAY_SIZE(nothing), &opts);
	if (program < 0) {
		err = -errno;
		snprintf(why, why_len, "the kernel refuses programs of type TRACING (%s)",
			 reason(err));
		return err;
	}
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0) {
		err = -errno;
		snprintf(why, why_len, "the kernel does not attach to its functions (%s)",
			 reason(err));
		return err;
	}
	return 0;
}

static void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

int fexit__probe(const struct bpf_object *object, bool *ret_can_keep_cpu, char *why, size_t why_len)
{
	_cleanup_(free_btf) struct btf *kernel = btf__load_vmlinux_btf();
	int err;

	if (!kernel) {
		err = -errno;
		snprintf(why, why_len, "the kernel's BTF cannot be read (%s)", strerror(-err));
		return err;
	}
	err = fexit__find_functions(object, kernel, why, why_len);
	if (!err)
		err = try(rare_function(object, kernel), BPF_TRACE_FENTRY, why, why_len);
	if (!err)
		err = try(rare_function(object, kernel), BPF_TRACE_FEXIT, why, why_len);
	if (err)
		return err;
	*ret_can_keep_cpu =
		btf__find_by_name_kind(kernel, "bpf_preempt_disable", BTF_KIND_FUNC) >= 0 &&
		btf__find_by_name_kind(kernel, "bpf_preempt_enable", BTF_KIND_FUNC) >= 0;
	return 0;
}
