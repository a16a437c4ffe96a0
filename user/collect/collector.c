// SPDX-License-Identifier: BSD-2-Clause
#include "collect/collector.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collect/faults.h"
#include "collect/map_memory.h"
#include "collect/preemption.h"
#include "collect/tracefs.h"
#include "memprov.skel.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define WAKE_SHARE     8 /* the reader is woken when an eighth of the ring is full */
#define BUSY_WAIT_NS   (20 * 1000000ULL)
#define ASK_SKIPPED_NS (NSEC_PER_SEC / 10)
#define MAX_PROGRAMS   32

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

struct collector {
	struct collector_config config;
	enum attach_by attached_by;
	struct memprov_bpf *skel;
	struct faults *faults; /* NULL: first touches are not sampled */
	char why_no_touch[128];
	struct bpf_link *links[MAX_PROGRAMS];
	size_t n_links;
	struct ring_buffer *ring;
	const volatile unsigned long *consumer_pos; /* the ring's own pages, read only */
	const volatile unsigned long *producer_pos;
	unsigned long target; /* where the present drain ends */
	struct collector_stats stats;
	uint64_t lost_seen;
	uint64_t lost_nameless_seen;
	uint64_t empties_lost_seen;
	uint64_t skipped; /* calls at which the kernel did not run a program of ours */
	uint64_t skipped_asked_ns;
};

static int silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

/* A process that is gone has nothing left to lose; another process may soon have its number. */
static void forget_in(const struct bpf_map *map, const struct mp_event_head *exit)
{
	int fd = bpf_map__fd(map);
	struct mp_lost_range range;

	if (!bpf_map_lookup_elem(fd, &exit->tgid, &range) && range.last_ns < exit->time_ns)
		bpf_map_delete_elem(fd, &exit->tgid);
}

static void forget_losses(struct collector *c, const struct mp_event_head *exit)
{
	if (c->lost_seen)
		forget_in(c->skel->maps.lost_ranges, exit);
	if (c->empties_lost_seen)
		forget_in(c->skel->maps.lost_empties, exit);
}

static int on_record(void *ctx, void *record, size_t len)
{
	struct collector *c = ctx;
	const union mp_event *event;

	if (event__decode(record, len, &event)) {
		c->stats.malformed++; /* counted and passed over */
	} else {
		c->stats.events[event->head.type]++;
		c->config.on_event(event, c->config.ctx);
		if (event->head.type == MP_EVENT_EXIT)
			forget_losses(c, &event->head);
	}
	/* libbpf goes on as long as more arrives; a negative result ends it, behind this record. */
	return (long)(c->target - (*c->consumer_pos + BPF_RINGBUF_HDR_SZ + len)) > 0 ? 0
										     : -ECANCELED;
}

/*
 * Attached through perf events of our own and not by libbpf's section names, which need tracefs
 * mounted at its usual place. One event serves all CPUs: the kernel runs the tracepoint's
 * programs wherever it is hit.
 */
static struct bpf_link *attach_tracepoint(struct bpf_program *program, int tracefs,
					  const char *event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.wakeup_events = 1,
	};
	int id = tracefs__event_id(tracefs, event), fd;
	struct bpf_link *link;

	if (id < 0) {
		errno = -id;
		return NULL;
	}
	attr.config = id;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return NULL;
	link = bpf_program__attach_perf_event(program, fd); /* owns fd from here */
	if (!link)
		close(fd);
	return link;
}

static int attach(struct collector *c, char *why, size_t why_len)
{
	static const char prefix[] = "tracepoint/";
	_cleanup_close_ int tracefs = -1;
	struct bpf_program *program;

	if (c->attached_by == ATTACH_BY_TRACEPOINTS) {
		tracefs = tracefs__open();
		if (tracefs < 0) {
			snprintf(why, why_len,
				 "tracefs is not mounted at /sys/kernel/tracing, and cannot be "
				 "(%s): it takes CAP_SYS_ADMIN",
				 strerror(-tracefs));
			return tracefs;
		}
	}
	bpf_object__for_each_program (program, c->skel->obj) {
		const char *section = bpf_program__section_name(program);
		struct bpf_link *link;

		if (!bpf_program__autoload(program) || program == c->skel->progs.page_fault)
			continue;
		if (strncmp(section, prefix, sizeof(prefix) - 1) == 0)
			link = attach_tracepoint(program, tracefs, section + sizeof(prefix) - 1);
		else
			link = bpf_program__attach(program);
		if (!link) {
			int err = -errno;

			snprintf(why, why_len, "%s cannot be attached (%s)", section,
				 strerror(-err));
			return err ? err : -EINVAL;
		}
		c->links[c->n_links++] = link;
	}
	return 0;
}

/* The positions of the ring are on its first two pages (kernel/bpf/ringbuf.c). libbpf 1.1 has no
 * call for them. */
static int map_positions(struct collector *c)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = bpf_map__fd(c->skel->maps.ring);
	void *consumer, *producer;

	consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	c->consumer_pos = consumer;
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
	if (producer == MAP_FAILED)
		return -errno;
	c->producer_pos = producer;
	return 0;
}

static int open_object(struct memprov_bpf **ret, char *why, size_t why_len)
{
	*ret = memprov_bpf__open();
	if (*ret)
		return 0;
	snprintf(why, why_len, "the BPF object cannot be opened (%s)", strerror(errno));
	return -errno;
}

/* Asked for before the programs are loaded: what will never be called is not. */
static void open_faults(struct collector *c)
{
	struct bpf_program *program;

	if (c->config.touch_rate && c->config.unwind != MP_UNWIND_NONE)
		faults__open(c->why_no_touch, sizeof(c->why_no_touch), &c->faults);
	if (c->faults) {
		c->skel->rodata->touch_every_ns = NSEC_PER_SEC / c->config.touch_rate;
		return;
	}
	bpf_object__for_each_program (program, c->skel->obj) {
		if (strstr(bpf_program__name(program), "madvise") ||
		    program == c->skel->progs.page_fault)
			bpf_program__set_autoload(program, false);
	}
}

static int load(struct collector *c, char *why, size_t why_len)
{
	int err;

	bpf_map__set_max_entries(c->skel->maps.ring, c->config.ring_size);
	bpf_map__set_max_entries(c->skel->maps.scratches, libbpf_num_possible_cpus());
	c->skel->rodata->wake_bytes = c->config.ring_size / WAKE_SHARE;
	c->skel->rodata->ring_size = c->config.ring_size;
	if (c->config.storm_rate)
		c->skel->rodata->common_event_ns = NSEC_PER_SEC / c->config.storm_rate;
	c->skel->rodata->unwind_mode = c->config.unwind;
	c->skel->rodata->stack_min = c->config.stack_min;
	attach_by__select(c->attached_by, c->skel->obj);
	open_faults(c);
	err = memprov_bpf__load(c->skel);
	if (err) {
		snprintf(why, why_len, "the kernel does not load BPF programs for us (%s)%s",
			 strerror(-err),
			 err == -EPERM ? ": it takes root, or CAP_BPF and CAP_PERFMON" : "");
		return err;
	}
	err = map_positions(c);
	if (!err) {
		c->ring = ring_buffer__new(bpf_map__fd(c->skel->maps.ring), on_record, c, NULL);
		err = c->ring ? 0 : -errno;
	}
	if (err)
		snprintf(why, why_len, "the ring buffer cannot be mapped (%s)", strerror(-err));
	return err;
}

/* Detaches and unloads all of it. */
static void stop(struct collector *c)
{
	size_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < c->n_links; i++)
		bpf_link__destroy(c->links[i]);
	c->n_links = 0;
	faults__close(c->faults);
	c->faults = NULL;
	ring_buffer__free(c->ring);
	c->ring = NULL;
	if (c->consumer_pos)
		munmap((void *)c->consumer_pos, page);
	if (c->producer_pos)
		munmap((void *)c->producer_pos, page);
	c->consumer_pos = c->producer_pos = NULL;
	memprov_bpf__destroy(c->skel);
	c->skel = NULL;
}

/* All of one backend, or nothing. */
static int start(struct collector *c, enum attach_by by, bool keep_cpu, char *why, size_t why_len)
{
	int err;

	c->attached_by = by;
	err = open_object(&c->skel, why, why_len);
	if (!err) {
		c->skel->rodata->keep_cpu = keep_cpu;
		err = load(c, why, why_len);
	}
	if (!err)
		err = attach(c, why, why_len);
	if (!err && c->faults &&
	    faults__attach(c->faults, c->skel->progs.page_fault, c->skel->maps.touch_cpus)) {
		snprintf(c->why_no_touch, sizeof(c->why_no_touch),
			 "a BPF program cannot be attached to page faults (%s)", strerror(errno));
		faults__close(c->faults);
		c->faults = NULL;
	}
	/* libbpf says ESRCH then, and looks in places where kernels' debug files are, too. */
	if (err && access(KERNEL_BTF, R_OK))
		snprintf(why, why_len,
			 "the kernel's types (BTF) are not at " KERNEL_BTF
			 " (%s): it takes a kernel with CONFIG_DEBUG_INFO_BTF=y, and in a "
			 "container the host's /sys",
			 strerror(errno));
	if (err)
		stop(c);
	return err;
}

static int probe_fexit(bool *ret_keep_cpu, char *why, size_t why_len)
{
	struct memprov_bpf *skel;
	int err;

	err = open_object(&skel, why, why_len);
	if (!err)
		err = fexit__probe(skel->obj, ret_keep_cpu, why, why_len);
	memprov_bpf__destroy(skel);
	return err;
}

/* Even if a program keeps its CPU: a task that is preempted as soon as the program lets go of it
 * still counts as running the program, which the kernel leaves out for all others on that CPU. */
static bool loses_events(char *why, size_t why_len)
{
	if (!preemption__is_on())
		return false;
	snprintf(why, why_len, "it loses events where tasks preempt each other (preempt=full)");
	return true;
}

int collector__prefers_fexit(char *why, size_t why_len)
{
	bool keep_cpu;
	int err;

	libbpf_set_print(silent);
	err = probe_fexit(&keep_cpu, why, why_len);
	return err ? err : loses_events(why, why_len) ? -EAGAIN : 0;
}

static int start_fexit(struct collector *c, char *why, size_t why_len)
{
	bool keep_cpu;
	int err = probe_fexit(&keep_cpu, why, why_len);

	return err ? err : start(c, ATTACH_BY_FEXIT, keep_cpu, why, why_len);
}

static int start_tracepoints(struct collector *c, char *why, size_t why_len)
{
	return start(c, ATTACH_BY_TRACEPOINTS, false, why, why_len);
}

static int start_either(struct collector *c, char *why, size_t why_len)
{
	bool keep_cpu, loses;
	int err = probe_fexit(&keep_cpu, why, why_len);

	if (err)
		return start_tracepoints(c, why, why_len);
	loses = loses_events(why, why_len);
	err = start(c, loses ? ATTACH_BY_TRACEPOINTS : ATTACH_BY_FEXIT, keep_cpu, why, why_len);
	/* To lose some is better than to see none. */
	if (err)
		err = start(c, loses ? ATTACH_BY_FEXIT : ATTACH_BY_TRACEPOINTS, keep_cpu, why,
			    why_len);
	return err;
}

int collector__new(const struct collector_config *config, char *why, size_t why_len,
		   struct collector **ret)
{
	static int (*const ways[])(struct collector * c, char *why, size_t why_len) = {
		[BACKEND_AUTO] = start_either,
		[BACKEND_FEXIT] = start_fexit,
		[BACKEND_TRACEPOINT] = start_tracepoints,
	};
	struct collector *c = calloc(1, sizeof(*c));
	struct bpf_map *map;
	int err;

	if (!c) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	c->config = *config;
	libbpf_set_print(silent); /* the reason is in why, in one line */
	err = ways[config->backend](c, why, why_len);
	if (err) {
		collector__free(c);
		return err;
	}
	bpf_object__for_each_map (map, c->skel->obj)
		c->stats.map_bytes += map_memory__bytes(bpf_map__fd(map));
	c->stats.ring_size = config->ring_size;
	*ret = c;
	return 0;
}

void collector__free(struct collector *c)
{
	if (!c)
		return;
	stop(c);
	free(c);
}

enum attach_by collector__attached_by(const struct collector *c)
{
	return c->attached_by;
}

enum touch_state collector__touch_state(const struct collector *c)
{
	return c->faults ? TOUCH_ON : c->why_no_touch[0] ? TOUCH_UNSUPPORTED : TOUCH_OFF;
}

const char *collector__why_no_touch(const struct collector *c)
{
	return c->why_no_touch;
}

int collector__kills_map(const struct collector *c)
{
	return bpf_map__fd(c->skel->maps.kills);
}

bool collector__may_free_lazily(const struct collector *c, pid_t tgid)
{
	uint32_t key = tgid;
	uint8_t yes;

	/* Without touches, madvise is not traced. */
	return !c->faults ||
	       __atomic_load_n(&c->skel->bss->freed_lazily_untold, __ATOMIC_RELAXED) ||
	       bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.freed_lazily), &key, &yes) != -ENOENT;
}

void collector__press(struct collector *c, unsigned steps)
{
	__atomic_store_n(&c->skel->bss->pressure, steps, __ATOMIC_RELAXED);
}

uint64_t collector__kills_lost(const struct collector *c)
{
	return __atomic_load_n(&c->skel->bss->kills_lost, __ATOMIC_RELAXED);
}

int collector__fd(const struct collector *c)
{
	return ring_buffer__epoll_fd(c->ring);
}

static uint64_t lost(const struct collector *c, enum mp_loss cause)
{
	return __atomic_load_n(&c->skel->bss->lost_events[cause], __ATOMIC_ACQUIRE);
}

/*
 * How often the kernel did not run a program of ours, because it was in the middle of it on the
 * same CPU for a task that had lost that CPU (fexit), or of changing a BPF map (tracepoints;
 * counted since Linux 6.7). The kernel does not say for which process's call.
 */
static uint64_t count_skipped(const struct collector *c)
{
	struct bpf_program *program;
	uint64_t sum = 0;

	bpf_object__for_each_program (program, c->skel->obj) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (bpf_program__autoload(program) &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

static void tell_everybody(const struct collector *c, uint64_t until, collector_lost_fn *tell)
{
	struct mp_lost_range everything = {.hi = UINT64_MAX, .last_ns = until};

	tell(0, &everything, c->config.ctx);
}

/* Where an entry goes before the next one is asked for, because its process dies, the kernel begins
 * again with the first. Where so many do that there is no end of it, all have lost something. */
static void tell_each(const struct collector *c, const struct bpf_map *map, collector_lost_fn *tell)
{
	int fd = bpf_map__fd(map);
	struct mp_lost_range range;
	uint32_t tgid, *last = NULL;

	for (size_t i = 0; i < 2 * MP_LOST_PROCESSES; i++) {
		if (bpf_map_get_next_key(fd, last, &tgid))
			return;
		if (!bpf_map_lookup_elem(fd, &tgid, &range))
			tell(tgid, &range, c->config.ctx);
		last = &tgid;
	}
	tell_everybody(c, UINT64_MAX, tell);
}

static void tell_lost_empties(struct collector *c)
{
	uint64_t seen = __atomic_load_n(&c->skel->bss->empties_lost, __ATOMIC_ACQUIRE);
	uint64_t until = __atomic_load_n(&c->skel->bss->empties_lost_ns, __ATOMIC_RELAXED);

	if (seen == c->empties_lost_seen)
		return;
	c->empties_lost_seen = seen;
	tell_each(c, c->skel->maps.lost_empties, c->config.on_empty_lost);
	if (until)
		tell_everybody(c, until, c->config.on_empty_lost);
}

/* A system call for each program, 30 us together. */
static void tell_skipped(struct collector *c, bool exact)
{
	uint64_t now = clock__boot_ns(), before = c->skipped;

	if (!exact && now - c->skipped_asked_ns < ASK_SKIPPED_NS)
		return;
	c->skipped_asked_ns = now;
	c->skipped = count_skipped(c);
	if (c->skipped != before)
		tell_everybody(c, clock__boot_ns(), c->config.on_lost);
}

static void tell_losses(struct collector *c, bool exact)
{
	uint64_t seen = lost(c, MP_LOSS_RING_FULL) + lost(c, MP_LOSS_SHM_SIZE) +
			lost(c, MP_LOSS_PREEMPTED) + lost(c, MP_LOSS_THROTTLED);
	uint64_t nameless = lost(c, MP_LOSS_WHO_TABLE_FULL);

	tell_lost_empties(c);
	tell_skipped(c, exact);
	if (seen == c->lost_seen)
		return;
	c->lost_seen = seen;
	tell_each(c, c->skel->maps.lost_ranges, c->config.on_lost);
	if (nameless != c->lost_nameless_seen) {
		c->lost_nameless_seen = nameless;
		tell_everybody(c, UINT64_MAX, c->config.on_lost);
	}
}

bool collector__is_idle(const struct collector *c)
{
	return (!c->faults || faults__is_calm(c->faults)) &&
	       __atomic_load_n(c->producer_pos, __ATOMIC_ACQUIRE) == *c->consumer_pos;
}

int collector__drain(struct collector *c, bool exact)
{
	uint64_t give_up = 0;
	int n, err = 0;

	/* What was lost before the target was reached is told before the events up to it. */
	c->target = __atomic_load_n(c->producer_pos, __ATOMIC_ACQUIRE);
	tell_losses(c, exact);
	if (c->faults)
		faults__pace(c->faults);
	if (c->config.touch_backlog)
		c->skel->bss->touch_backlog = c->config.touch_backlog(c->config.backlog_ctx);
	while ((long)(c->target - __atomic_load_n(c->consumer_pos, __ATOMIC_ACQUIRE)) > 0) {
		n = ring_buffer__consume(c->ring);
		if (n > 0 || n == -ECANCELED)
			continue;
		/* A CPU is between reserve and submit: a matter of a microsecond, unless
		 * its CPU was taken away. */
		if (!give_up) {
			give_up = clock__boot_ns() + BUSY_WAIT_NS;
		} else if (clock__boot_ns() > give_up) {
			err = -EAGAIN;
			break;
		}
		sched_yield();
	}
	return err;
}

void collector__know_python(struct collector *c, uint32_t tgid,
			    const struct mp_python_process *process)
{
	bpf_map_update_elem(bpf_map__fd(c->skel->maps.python_processes), &tgid, process, BPF_ANY);
}

void collector__know_python_file(struct collector *c, const struct mp_file_key *key,
				 const struct mp_python_file *file)
{
	bpf_map_update_elem(bpf_map__fd(c->skel->maps.python_files), key, file, BPF_ANY);
}

void collector__forget_python_file(struct collector *c, const struct mp_file_key *key)
{
	bpf_map_delete_elem(bpf_map__fd(c->skel->maps.python_files), key);
}

void collector__stats(struct collector *c, struct collector_stats *ret)
{
	*ret = c->stats;
	for (int cause = 0; cause < MP_LOSS_CAUSES; cause++)
		ret->lost[cause] += lost(c, cause);
	ret->lost[MP_LOSS_PREEMPTED] += c->skipped;
	for (int outcome = 0; outcome < MP_STACKS; outcome++)
		ret->stacks[outcome] = c->skel->bss->stacks_taken[outcome];
	for (int outcome = 0; outcome < MP_TOUCHES; outcome++)
		ret->touches[outcome] = c->skel->bss->touches_taken[outcome];
	for (int outcome = 0; outcome < MP_PYTHONS; outcome++)
		ret->pythons[outcome] = c->skel->bss->pythons_taken[outcome];
	if (c->faults)
		ret->touches_thinned = faults__thinned(c->faults);
	ret->ring_used = *c->producer_pos - *c->consumer_pos;
}
