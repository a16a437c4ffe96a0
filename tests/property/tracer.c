// SPDX-License-Identifier: BSD-2-Clause
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>

#include "collect/collector.h"
#include "collect/recording.h"
#include "touchers.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define RING_SIZE      (8 << 20)
#define FAMILY_MAX     256
#define LATE_MAX       64
#define STACKS_MAX     4096 /* of samples, in a drain */
#define EVERYTHING     UINT64_MAX
#define HUGE_PAGE_SIZE (2UL << 20)
#define HEAP_REACH     (1ULL << 40) /* MP_HEAP_REACH of bpf/memory.bpf.h */

/* One process of the family, and what it has lost: as the map lost_ranges has it. */
struct kin {
	uint32_t tgid;
	struct mp_lost_range lost;
	uint64_t told;
	struct mp_lost_range empties; /* likewise in lost_empties */
	uint64_t empties_told;
};

struct late_answer {
	struct late_name name;
	bool read;
	char text[MP_NAME_BUF];
};

struct tracer {
	struct collector *collector;
	struct model *model;
	struct kin kin[FAMILY_MAX];
	size_t n_kin;
	tracer_lose_fn *lose;
	void *ctx;
	struct buf batch;     /* of this drain, before anything is lost */
	struct buf recording; /* what the model was told */
	struct tracer_counts counts;
	uint64_t ring_full;
	char late[MP_NAME_BUF]; /* the text of the late name being applied */
	bool late_read;
	struct late_answer answers[LATE_MAX]; /* given when the drain has ended */
	size_t n_answers;
	struct raw_stack stacks[STACKS_MAX]; /* likewise: of samples */
	int touchers[STACKS_MAX];
	size_t n_stacks;
	struct callsite *sites[TOUCHERS + 1]; /* of touchers, and of what is none */
	bool thinned;			      /* a fault stands for others, too */
	uint64_t missed;		      /* faults that were passed over before it began */
};

/* --- the family ---------------------------------------------------------------------------- */

static struct kin *find_kin(struct tracer *t, uint32_t tgid)
{
	for (size_t i = 0; i < t->n_kin; i++) {
		if (t->kin[i].tgid == tgid)
			return &t->kin[i];
	}
	return NULL;
}

static void add_kin(struct tracer *t, uint32_t tgid)
{
	if (!find_kin(t, tgid) && t->n_kin < FAMILY_MAX)
		t->kin[t->n_kin++] = (struct kin){
			.tgid = tgid, .lost = {.lo = EVERYTHING}, .empties = {.lo = EVERYTHING}};
}

static bool belongs(struct tracer *t, const union mp_event *e)
{
	bool ours = find_kin(t, e->head.tgid) ||
		    (e->head.type == MP_EVENT_FORK && e->head.tgid == (uint32_t)getpid());

	if (ours && e->head.type == MP_EVENT_FORK)
		add_kin(t, e->fork.child_tgid);
	return ours;
}

/* --- losing: what note_loss() of bpf/emit.bpf.h and its callers do -------------------------- */

static void widen(struct mp_lost_range *lost, uint64_t lo, uint64_t hi, uint64_t now)
{
	if (lo < hi) {
		lost->lo = MIN(lost->lo, lo);
		lost->hi = MAX(lost->hi, hi);
	}
	lost->last_ns = now;
	lost->events++;
}

static void note_loss(struct tracer *t, uint32_t tgid, uint64_t lo, uint64_t hi, uint64_t now)
{
	struct kin *kin = find_kin(t, tgid);

	if (kin)
		widen(&kin->lost, lo, hi, now);
}

/* What empties pages, and samples of touches, take nothing from the ledger when they are lost. */
static bool note_lost_touch(struct tracer *t, const union mp_event *e)
{
	struct kin *kin = find_kin(t, e->head.tgid);

	if (e->head.type == MP_EVENT_EMPTY && kin)
		widen(&kin->empties, e->range.addr, e->range.addr + e->range.len, e->head.time_ns);
	return e->head.type == MP_EVENT_EMPTY || e->head.type == MP_EVENT_TOUCH;
}

static void note_lost_event(struct tracer *t, const union mp_event *e)
{
	uint64_t lo = 0, hi = 0, now = e->head.time_ns;
	uint32_t tgid = e->head.tgid;

	t->counts.lost++;
	if (note_lost_touch(t, e))
		return;
	switch (e->head.type) {
	case MP_EVENT_MMAP:
		lo = e->mmap.addr;
		hi = lo + e->mmap.len + (e->mmap.flags & MAP_HUGETLB ? HUGE_PAGE_SIZE - 1 : 0);
		break;
	case MP_EVENT_MUNMAP:
	case MP_EVENT_MREMAP_ENTER:
		lo = e->range.addr;
		hi = lo + e->range.len;
		break;
	case MP_EVENT_MREMAP:
		lo = e->mremap.old_addr;
		hi = lo + e->mremap.old_len;
		if (e->mremap.new_addr) {
			lo = MIN(lo, e->mremap.new_addr);
			hi = MAX(hi, e->mremap.new_addr + e->mremap.new_len);
		}
		break;
	case MP_EVENT_BRK:
		lo = e->brk.start_brk;
		hi = lo + HEAP_REACH;
		break;
	case MP_EVENT_SHMAT:
		lo = e->shmat.addr;
		hi = lo + e->shmat.len;
		break;
	case MP_EVENT_SHMDT:
		lo = e->shmdt.addr;
		hi = EVERYTHING;
		break;
	case MP_EVENT_NAME:
		lo = e->name.addr;
		hi = lo + e->name.len;
		break;
	case MP_EVENT_FORK:
		if (e->fork.shares_vm)
			note_loss(t, tgid, 0, EVERYTHING, now);
		tgid = e->fork.child_tgid;
		hi = EVERYTHING;
		break;
	case MP_EVENT_EXEC:
		hi = EVERYTHING;
		break;
	}
	note_loss(t, tgid, lo, hi, now);
}

/* As tell_losses() of user/collect/collector.c does, before the events of a drain. */
static void tell_losses(struct tracer *t)
{
	for (size_t i = 0; i < t->n_kin; i++) {
		struct kin *kin = &t->kin[i];

		if (kin->empties.events != kin->empties_told)
			model__empty_lost(t->model, kin->tgid, &kin->empties);
		kin->empties_told = kin->empties.events;
		if (kin->lost.events == kin->told)
			continue;
		kin->told = kin->lost.events;
		recording__add_loss(&t->recording, kin->tgid, &kin->lost);
		model__lost(t->model, kin->tgid, &kin->lost);
	}
}

/* --- applying ------------------------------------------------------------------------------ */

static bool read_late(const struct mp_event_name *e, char *text, size_t len)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/mem", e->head.tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, text, len, e->name_ptr);
	return n > 0 && memchr(text, '\0', n);
}

static bool on_late_name(struct model *model, const struct late_name *name, void *ctx)
{
	struct tracer *t = ctx;
	struct late_answer *answer = &t->answers[t->n_answers];

	if (t->n_answers >= LATE_MAX)
		return false;
	t->n_answers++;
	answer->name = *name;
	answer->read = t->late_read;
	memcpy(answer->text, t->late, sizeof(answer->text));
	return true;
}

/* Late: what was named has been moved, renamed and inherited by now. */
static void answer_late_names(struct tracer *t)
{
	for (size_t i = 0; i < t->n_answers; i++) {
		const struct late_answer *answer = &t->answers[i];

		model__name_was_read(t->model, &answer->name, answer->read ? answer->text : NULL);
	}
	t->n_answers = 0;
}

/* Those of mappings have none: the shadow knows threads, not functions. */
static bool on_stack(const struct raw_stack *raw, void *ctx)
{
	struct tracer *t = ctx;

	if (!raw->is_touch || raw->stack->kind != MP_STACK_FP || t->n_stacks >= STACKS_MAX)
		return false;
	t->touchers[t->n_stacks] = toucher__at(*(const uint64_t *)raw->stack->data);
	t->stacks[t->n_stacks] = *raw;
	t->stacks[t->n_stacks++].trace = trace__ref(raw->trace);
	return true;
}

static void answer_stacks(struct tracer *t)
{
	static const struct unwound nothing = {.lasts = STACK_IS_ONCE};

	for (size_t i = 0; i < t->n_stacks; i++) {
		int who = t->touchers[i] < 0 ? TOUCHERS : t->touchers[i];

		model__stack_was_unwound(t->model, &t->stacks[i], &nothing, t->sites[who]);
		trace__unref(t->stacks[i].trace);
	}
	t->n_stacks = 0;
}

/* A replay has no process to read a name from: it gets what was read. */
static void record(struct tracer *t, const union mp_event *e)
{
	union mp_event known = *e;

	if (e->head.type == MP_EVENT_NAME && e->name.state == MP_NAME_LATE && t->late_read) {
		known.name.state = MP_NAME_SET;
		known.head.stack_bytes = 0;
		snprintf(known.name.name, sizeof(known.name.name), "%s", t->late);
		e = &known;
	}
	recording__add_event(&t->recording, e);
}

static void on_ring_event(const union mp_event *e, void *ctx)
{
	struct tracer *t = ctx;

	if (e->head.type == MP_EVENT_TOUCH && e->touch.faults > 1)
		t->thinned = true;
	if (!t->model || !belongs(t, e))
		return;
	t->counts.events++;
	if (t->lose && t->lose(e, t->ctx))
		note_lost_event(t, e);
	else
		recording__add_event(&t->batch, e);
}

static void on_ring_lost(uint32_t tgid, const struct mp_lost_range *range, void *ctx)
{
	struct tracer *t = ctx;

	t->ring_full++;
}

static void apply(const union mp_event *e, void *ctx)
{
	struct tracer *t = ctx;

	if (e->head.type == MP_EVENT_NAME && e->name.state == MP_NAME_LATE)
		t->late_read = read_late(&e->name, t->late, MP_NAME_MAX + 1);
	record(t, e);
	model__apply(t->model, e);
}

enum backend tracer__backend(void)
{
	const char *backend = getenv("MEMPROV_BACKEND");

	return !backend			   ? BACKEND_AUTO
	       : !strcmp(backend, "fexit") ? BACKEND_FEXIT
					   : BACKEND_TRACEPOINT;
}

/* One for each toucher, told apart by its number. */
static int make_sites(struct tracer *t)
{
	for (int i = 0; i <= TOUCHERS; i++) {
		t->sites[i] = calloc(1, sizeof(*t->sites[i]));
		if (!t->sites[i])
			return -ENOMEM;
		t->sites[i]->refs = 1;
		t->sites[i]->hash = i + 1;
	}
	return 0;
}

int tracer__new(struct tracer **ret, char *why, size_t why_len)
{
	struct tracer *t = calloc(1, sizeof(*t));
	struct collector_config config = {.backend = tracer__backend(),
					  .touch_rate = NSEC_PER_SEC, /* all of them */
					  .ring_size = RING_SIZE,
					  .unwind = MP_UNWIND_FP,
					  .on_event = on_ring_event,
					  .on_lost = on_ring_lost,
					  .on_empty_lost = on_ring_lost,
					  .ctx = t};
	int err;

	if (!t)
		return -ENOMEM;
	err = make_sites(t);
	if (!err)
		err = collector__new(&config, why, why_len, &t->collector);
	if (err)
		tracer__free(t);
	else
		*ret = t;
	return err;
}

void tracer__free(struct tracer *t)
{
	if (!t)
		return;
	collector__free(t->collector);
	model__free(t->model);
	buf__free(&t->batch);
	buf__free(&t->recording);
	for (int i = 0; i <= TOUCHERS; i++)
		callsite__unref(t->sites[i]);
	free(t);
}

static uint64_t count_missed(const struct tracer *t)
{
	struct collector_stats stats;

	collector__stats(t->collector, &stats);
	return stats.touches_thinned + stats.touches[MP_TOUCHES_LOST] +
	       stats.touches[MP_TOUCHES_NO_STACK];
}

int tracer__begin(struct tracer *t, tracer_lose_fn *lose, void *ctx)
{
	struct model_config config = {
		.page_size = sysconf(_SC_PAGESIZE),
		.on_late_name = on_late_name,
		.ctx = t,
		.on_stack = on_stack,
		.stack_ctx = t,
	};

	model__free(t->model);
	t->model = NULL;
	collector__drain(t->collector, true);
	/* Start times are coarse: no process may be taken for older than we are. */
	config.attached_ns = clock__boot_ns() - 2 * NSEC_PER_TICK;
	t->model = model__new(&config);
	t->n_kin = 0;
	t->lose = lose;
	t->ctx = ctx;
	t->ring_full = 0;
	t->missed = count_missed(t);
	t->thinned = false;
	t->recording.len = 0;
	recording__begin(&t->recording);
	return t->model ? 0 : -ENOMEM;
}

int tracer__drain(struct tracer *t)
{
	int err;

	t->batch.len = 0;
	recording__begin(&t->batch);
	err = collector__drain(t->collector, true);
	tell_losses(t);
	if (!err)
		err = recording__replay(t->batch.data, t->batch.len, apply, NULL, t);
	answer_late_names(t);
	answer_stacks(t);
	if (err)
		return err;
	return t->ring_full ? -ENOBUFS : 0;
}

struct model *tracer__model(struct tracer *t)
{
	return t->model;
}

const struct buf *tracer__recording(const struct tracer *t)
{
	return &t->recording;
}

bool tracer__has_all_touches(const struct tracer *t)
{
	return !t->thinned && count_missed(t) == t->missed;
}

int tracer__toucher(const struct tracer *t, const struct trace *trace)
{
	const struct callsite *site = trace__site(trace);

	return site && site->hash <= TOUCHERS ? (int)site->hash - 1 : -1;
}

const struct tracer_counts *tracer__counts(const struct tracer *t)
{
	return &t->counts;
}
