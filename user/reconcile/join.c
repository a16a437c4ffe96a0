// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/name.h"
#include "reconcile/classify.h"
#include "reconcile/share.h"
#include "util/array.h"
#include "util/cleanup.h"

/* A piece of a VMA of which one thing is known. */
struct cut {
	uint64_t lo;
	uint64_t hi;
	const struct record *record; /* NULL: nothing is known */
	const struct name *name;
};

struct cuts {
	struct cut *at;
	size_t n;
	size_t cap;
	uint64_t reached;
	uint64_t end;		  /* of the VMA */
	struct ledger_range last; /* the one that was seen last, from there to its own end */
};

struct join {
	const struct join_config *config;
	struct part_list *list;
	struct cuts cuts;
	struct share *shares;
	size_t shares_cap;
	uint64_t exec_end;  /* where exec's last mapping ended */
	uint32_t last_name; /* of the VMA before, and its copy: files have several VMAs */
	const char *last_name_text;
};

void part_list__free(struct part_list *list)
{
	free(list->parts);
	memset(list, 0, sizeof(*list));
}

static int add_cut(struct cuts *cuts, uint64_t lo, uint64_t hi, const struct record *record,
		   const struct name *name)
{
	struct cut *last = cuts->n ? &cuts->at[cuts->n - 1] : NULL;
	int err;

	if (lo >= hi)
		return 0;
	/* One mapping that was cut by a munmap since filled again, or by names that are equal. */
	if (last && last->record == record &&
	    (last->name == name || (last->name && name && last->name->by == name->by &&
				    !strcmp(last->name->text, name->text)))) {
		last->hi = hi;
		return 0;
	}
	err = array__grow(&cuts->at, &cuts->cap, cuts->n, sizeof(*cuts->at));
	if (!err)
		cuts->at[cuts->n++] = (struct cut){lo, hi, record, name};
	return err;
}

static int cut_range(const struct ledger_range *range, void *ctx)
{
	struct cuts *cuts = ctx;
	uint64_t end = range->end < cuts->end ? range->end : cuts->end;
	int err;

	if (range->start >= cuts->end)
		return 1;
	cuts->last = *range;
	err = add_cut(cuts, cuts->reached, range->start, NULL, NULL);
	cuts->reached = end;
	return err ? err : add_cut(cuts, range->start, end, range->record, name__now(range->name));
}

/* Many VMAs can be of one mapping: those of a heap that was cut by mprotect. */
static bool lies_in_last(const struct cuts *cuts, const struct vma *vma)
{
	return vma->start >= cuts->last.start && vma->end <= cuts->last.end;
}

static int cut_vma(struct join *join, const struct vma *vma)
{
	struct cuts *cuts = &join->cuts;
	int err;

	cuts->n = 0;
	cuts->reached = vma->start;
	cuts->end = vma->end;
	if (lies_in_last(cuts, vma))
		return add_cut(cuts, vma->start, vma->end, cuts->last.record,
			       name__now(cuts->last.name));
	err = ledger__each(join->config->ledger, vma->start, UINT64_MAX, cut_range, cuts);
	if (err >= 0)
		err = add_cut(cuts, cuts->reached, vma->end, NULL, NULL);
	/* A MAP_GROWSDOWN mapping is extended by faults, which no event reports: what is below the
	 * lowest range that was seen to be made has its creator and name (expand_downwards()). A
	 * range of which only the name was seen says nothing about what is below it. */
	if (!err && vma->flags & VMA_GROWS_DOWN && cuts->n > 1 && !cuts->at[0].record &&
	    cuts->at[1].record->origin != ORIGIN_UNKNOWN) {
		cuts->at[1].lo = cuts->at[0].lo;
		memmove(cuts->at, cuts->at + 1, --cuts->n * sizeof(*cuts->at));
	}
	return err;
}

static bool has_pages(const struct vma *vma)
{
	return vma->rss || vma->swap || vma->shared_hugetlb || vma->private_hugetlb;
}

/* Each cut's amounts, adding up to the VMA's. */
static int share_vma(struct join *join, const struct vma *vma)
{
	const struct join_config *config = join->config;
	struct cuts *cuts = &join->cuts;
	bool counted = true;

	if (cuts->n > join->shares_cap) {
		struct share *more = reallocarray(join->shares, cuts->cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		join->shares = more;
		join->shares_cap = cuts->cap;
	}
	for (size_t i = 0; i < cuts->n; i++) {
		struct pagemap_counts counts = {0};

		if (cuts->n > 1 && counted && has_pages(vma))
			counted = !config->count(cuts->at[i].lo, cuts->at[i].hi, &counts,
						 config->ctx);
		join->shares[i] = (struct share){.size = cuts->at[i].hi - cuts->at[i].lo,
						 .resident = counts.resident,
						 .swapped = counts.swapped,
						 .huge = counts.huge};
	}
	share__vma(vma, config->page_size, counted, join->shares, cuts->n);
	return 0;
}

static bool is_exec_file(const struct vma *vma, enum file_role role)
{
	return vma->inode && (role == FILE_ROLE_BINARY || role == FILE_ROLE_LOADER);
}

static enum origin origin_of(const struct join *join, const struct vma *vma, const struct cut *cut,
			     enum file_role role)
{
	bool exec_seen = join->config->exec_space;

	if (vma->kind == VMA_STACK)
		return ORIGIN_STACK;
	if (vma->kind == VMA_KERNEL)
		return ORIGIN_KERNEL;
	if (cut->record && cut->record->origin != ORIGIN_UNKNOWN)
		return cut->record->origin;
	if (exec_seen && is_exec_file(vma, role))
		return ORIGIN_EXEC;
	if (exec_seen && vma->kind == VMA_ANON && cut->lo == join->exec_end)
		return ORIGIN_EXEC;
	return ORIGIN_UNKNOWN;
}

static enum coverage coverage_of(enum origin origin)
{
	switch (origin) {
	case ORIGIN_MMAP:
	case ORIGIN_BRK:
	case ORIGIN_MREMAP:
	case ORIGIN_SHMAT:
		return COVERAGE_ATTRIBUTED;
	case ORIGIN_EXEC:
	case ORIGIN_STACK:
	case ORIGIN_KERNEL:
		return COVERAGE_KERNEL;
	case ORIGIN_PREDATES:
		return COVERAGE_PREDATES;
	default:
		return COVERAGE_UNKNOWN;
	}
}

static bool is_inherited(const struct join_config *config, const struct cut *cut,
			 enum coverage coverage)
{
	if (coverage == COVERAGE_KERNEL)
		return config->exec_space && config->exec_space != config->space_id;
	return cut->record && cut->record->space != config->space_id;
}

static bool is_thread_stack(const struct vma *vma, const struct cut *cut)
{
	return cut->name && cut->name->by == NAMED_BY_CLONE && vma->kind == VMA_ANON;
}

/* Go and glibc put a space before theirs. */
static const char *without_space(const char *name)
{
	return name + strspn(name, " ");
}

/* By the call that the ledger knows. A name that the kernel has may be another one. */
static bool was_seen_named(const struct cut *cut, const struct part *part)
{
	return part->given_name && cut->name && cut->name->by == NAMED_BY_PRCTL &&
	       strcmp(without_space(cut->name->text), part->given_name) == 0;
}

/* Whether the kernel has the name, or only the attempt to give it was seen. */
static int name_part(struct join *join, const struct vma *vma, const struct cut *cut,
		     struct part *part)
{
	const struct join_config *config = join->config;
	const char *shown = vma_set__name(config->set, vma);
	char given[256];

	if (vma->kind == VMA_ANON_NAMED || vma->kind == VMA_SHMEM_NAMED) {
		vma_set__anon_name(config->set, vma, given, sizeof(given));
		/* As empty as one whose attempt was seen. */
		if (!given[0])
			return 0;
		part->name_source = NAME_KERNEL;
	} else if (is_thread_stack(vma, cut)) {
		part->name_source = NAME_INFERRED;
		part->name = arena__printf(config->strings, "[stack: %s]", cut->name->text);
		return part->name ? 0 : -ENOMEM;
	} else if (cut->name && cut->name->by == NAMED_BY_PRCTL && classify__can_be_named(vma)) {
		snprintf(given, sizeof(given), "%s", without_space(cut->name->text));
		part->name_source = NAME_PRCTL;
	} else {
		if (!shown[0])
			return 0;
		part->name_source = vma->inode ? NAME_FILE : NAME_KERNEL;
		if (!join->last_name_text || join->last_name != vma->name)
			join->last_name_text = arena__strdup(config->strings, shown);
		join->last_name = vma->name;
		part->name = join->last_name_text;
		return part->name ? 0 : -ENOMEM;
	}
	part->given_name = arena__strdup(config->strings, given);
	part->name = arena__printf(config->strings, "[%s: %s]",
				   vma->kind == VMA_ANON || vma->kind == VMA_DEV_ZERO ||
						   vma->kind == VMA_ANON_NAMED
					   ? "anon"
					   : "anon_shmem",
				   given);
	return part->given_name && part->name ? 0 : -ENOMEM;
}

static bool is_memory(const struct vma *vma)
{
	switch (vma->kind) {
	case VMA_FILE:
	case VMA_KERNEL:
	case VMA_HUGETLB:
	case VMA_DEVICE:
		return false;
	default:
		return true;
	}
}

static int add_part(struct join *join, const struct vma *vma, size_t i, enum file_role role)
{
	const struct cut *cut = &join->cuts.at[i];
	const struct share *share = &join->shares[i];
	struct part_list *list = join->list;
	struct part *part;
	int err = array__grow(&list->parts, &list->cap, list->n, sizeof(*list->parts));

	if (err)
		return err;
	part = &list->parts[list->n];
	*part = (struct part){
		.start = cut->lo,
		.end = cut->hi,
		.offset = vma->inode ? vma->offset + (cut->lo - vma->start) : vma->offset,
		.inode = vma->inode,
		.rss = share->rss,
		.pss = share->pss,
		.private_ = share->private_,
		.shared = share->shared,
		.swap = share->swap,
		.kinds = share->kinds,
		.rss_source = share->source,
		.origin = origin_of(join, vma, cut, role),
		.is_memory = is_memory(vma),
		.exec_seen = join->config->exec_space,
	};
	memcpy(part->perms, vma->perms, sizeof(part->perms));
	err = name_part(join, vma, cut, part);
	if (err)
		return err;
	part->category = is_thread_stack(vma, cut) ? CATEGORY_RUNTIME_STACK
						   : classify__part(vma, part->given_name, role);
	part->coverage = coverage_of(part->origin);
	part->inherited = is_inherited(join->config, cut, part->coverage);
	if (cut->record && part->coverage == COVERAGE_ATTRIBUTED) {
		part->tid = cut->record->tid;
		part->created_ns = cut->record->created_ns;
		memcpy(part->thread, cut->record->comm, sizeof(part->thread));
		part->trace = cut->record->trace;
		part->reservation = cut->record->reservation;
	}
	if (was_seen_named(cut, part))
		part->name_trace = cut->name->trace;
	if (part->origin == ORIGIN_EXEC)
		join->exec_end = cut->hi;
	list->n++;
	return 0;
}

int join__parts(const struct join_config *config, struct part_list *ret)
{
	struct part_list list = {0};
	struct join join = {.config = config, .list = &list};
	int err = 0;

	/* Most VMAs are one part. */
	list.cap = config->set->n + ledger__count(config->ledger) / 4 + 1;
	list.parts = calloc(list.cap, sizeof(*list.parts));
	if (!list.parts)
		return -ENOMEM;
	for (size_t v = 0; !err && v < config->set->n; v++) {
		const struct vma *vma = &config->set->vmas[v];
		enum file_role role = FILE_ROLE_OTHER;

		if (vma->inode)
			role = config->role(vma, config->ctx);
		err = cut_vma(&join, vma);
		if (!err)
			err = share_vma(&join, vma);
		for (size_t i = 0; !err && i < join.cuts.n; i++)
			err = add_part(&join, vma, i, role);
	}
	free(join.cuts.at);
	free(join.shares);
	if (err)
		part_list__free(&list);
	else
		*ret = list;
	return err;
}

int parts__share_out(const struct vma *vma, struct part *parts, size_t n)
{
	_cleanup_free_ struct share *shares = calloc(n, sizeof(*shares));

	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		shares[i].rss = parts[i].rss;
	share__sharing(vma, shares, n);
	for (size_t i = 0; i < n; i++) {
		parts[i].pss = shares[i].pss;
		parts[i].private_ = shares[i].private_;
		parts[i].shared = shares[i].shared;
	}
	return 0;
}

bool parts__have_waiting_stacks(const struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* Neighbours are often of one mapping. */
		if (i && parts[i].trace == parts[i - 1].trace &&
		    parts[i].name_trace == parts[i - 1].name_trace &&
		    parts[i].reservation == parts[i - 1].reservation)
			continue;
		if (!trace__is_answered(parts[i].trace) ||
		    !trace__is_answered(parts[i].name_trace) ||
		    !trace__is_answered(parts[i].reservation))
			return true;
	}
	return false;
}

/* Before the reservation's stack is known, nothing is said: it may say something else. */
static void classify(struct part *part)
{
	const struct callsite *site = part->callsite, *reserved;

	if (!site)
		return;
	if (site->as_reserved) {
		if (!trace__is_answered(part->reservation))
			return;
		reserved = trace__site(part->reservation);
		if (reserved)
			classify__by_site(part, reserved);
	}
	classify__by_site(part, site);
}

void parts__resolve(struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct part *part = &parts[i];

		part->callsite = trace__site(part->trace);
		part->named_by = trace__site(part->name_trace);
		classify(part);
	}
}

static int stop_at_any(const struct ledger_range *range, void *ctx)
{
	return 1;
}

bool join__has_unmapped_ranges(const struct vma_set *set, const struct ledger *ledger)
{
	uint64_t lo = 0;

	for (size_t i = 0; i <= set->n; i++) {
		uint64_t hi = i < set->n ? set->vmas[i].start : UINT64_MAX;

		if (lo < hi && ledger__each(ledger, lo, hi, stop_at_any, NULL))
			return true;
		lo = i < set->n ? set->vmas[i].end : hi;
	}
	return false;
}
