// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the daemon gives up when it is short of memory, in this order:
 *
 *   1. stacks that wait to be unwound, of the process that has the most of them
 *   2. known stacks: they are unwound again
 *   3. samples of first touches
 *   4. ledgers: memory becomes unknown, until the process maps more
 *
 * The first three as long as a process or a tenant has unusually many. From 2 on it is the tenant
 * that has most of it which loses, beginning with its largest program: a user or a container gains
 * nothing by running many.
 */
#include <stdlib.h>

#include "model/model_parts.h"

#define MUCH_OF 16 /* of the tables' share */
#define FREE_OF 4  /* of the room for known stacks: less is little */

/* A little more than what is wanted, so that not every event finds it short again. */
#define MORE_OF 16

/* --- which tenant has most of it ------------------------------------------------------------- */

/* A process, and what its account has. */
struct holder {
	struct process *process;
	const struct account *account;
	uint64_t tenant;
	size_t bytes;
};

/* Its holders from next to end: those before have been given up. */
struct tenant {
	const struct holder *next, *end;
	uint64_t bytes; /* of the accounts that are left */
};

struct tenants {
	struct holder *holders;
	struct tenant *heap; /* the one with most first */
	size_t n;
};

/* Where the tenant is not known, the account is one of its own. */
static uint64_t tenant_of(const struct account *account)
{
	return account__tenant(account) ?: (uintptr_t)account;
}

/* By tenant; of each the account with most first, and the processes of an account together. */
static int compare_holders(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->tenant != y->tenant)
		return x->tenant < y->tenant ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->account < y->account ? -1 : x->account > y->account;
}

static int most_first(const void *a, const void *b)
{
	const struct tenant *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static const struct holder *next_account(const struct holder *holder, const struct holder *end)
{
	const struct account *account = holder->account;

	while (holder < end && holder->account == account)
		holder++;
	return holder;
}

static struct tenant tenant_at(const struct holder *holder, const struct holder *end)
{
	struct tenant tenant = {.next = holder};

	while (holder < end && holder->tenant == tenant.next->tenant) {
		tenant.bytes += holder->bytes;
		holder = next_account(holder, end);
	}
	tenant.end = holder;
	return tenant;
}

static void tenants__free(struct tenants *tenants)
{
	free(tenants->holders);
	free(tenants->heap);
}

/* Those that have any of it; none when out of memory. */
static struct tenants list_tenants(const struct model *model, enum budget_use use)
{
	size_t most = HASH_COUNT(model->processes) + 1, n = 0;
	struct tenants ret = {
		.holders = calloc(most, sizeof(*ret.holders)),
		.heap = calloc(most, sizeof(*ret.heap)),
	};

	if (!ret.holders || !ret.heap)
		return ret;
	for (struct process *p = model->processes; p; p = p->hh.next) {
		const struct account *account = p->space->account;
		size_t bytes = account__bytes(account, use);

		if (bytes)
			ret.holders[n++] = (struct holder){p, account, tenant_of(account), bytes};
	}
	qsort(ret.holders, n, sizeof(*ret.holders), compare_holders);
	for (const struct holder *h = ret.holders, *end = h + n; h < end;) {
		ret.heap[ret.n] = tenant_at(h, end);
		h = ret.heap[ret.n++].end;
	}
	qsort(ret.heap, ret.n, sizeof(*ret.heap), most_first);
	return ret;
}

/* The first one has less than it had. */
static void sink(struct tenants *tenants)
{
	struct tenant *heap = tenants->heap, moved;

	for (size_t i = 0, child; (child = 2 * i + 1) < tenants->n; i = child) {
		if (child + 1 < tenants->n && heap[child + 1].bytes > heap[child].bytes)
			child++;
		if (heap[i].bytes >= heap[child].bytes)
			return;
		moved = heap[i];
		heap[i] = heap[child];
		heap[child] = moved;
	}
}

/* --- giving it up ----------------------------------------------------------------------------- */

typedef void give_up_fn(struct model *model, struct process *process);

static void drop_known_stacks(struct model *model, struct process *process)
{
	struct space *space = process->space;

	if (!space->known_stacks)
		return;
	known_stacks__unref(space->known_stacks);
	space->known_stacks = known_stacks__new(&model->tools.known_stacks, space->account);
	budget__count(model->config.budget, GIVE_UP_KNOWN_STACKS, 1);
}

static void drop_touches(struct model *model, struct process *process)
{
	touches__free(&process->space->touches);
	budget__count(model->config.budget, GIVE_UP_TOUCHES, 1);
}

static void forget_space(struct model *model, struct process *process)
{
	space__forget(process->space);
	budget__count(model->config.budget, GIVE_UP_SPACES, 1);
}

/* The largest account of the tenant with most; how many bytes that had. */
static size_t give_up_first(struct model *model, struct tenants *tenants, give_up_fn *fn)
{
	struct tenant *tenant = &tenants->heap[0];
	const struct holder *end = next_account(tenant->next, tenant->end);
	size_t bytes = tenant->next->bytes;

	while (tenant->next < end)
		fn(model, (tenant->next++)->process);
	tenant->bytes -= bytes;
	sink(tenants);
	return bytes;
}

/* As many bytes, of tenants with more than `above`; there may be thousands of processes, each of
 * which has little. How many it had. */
static uint64_t give_up(struct model *model, enum budget_use use, uint64_t bytes, uint64_t above,
			give_up_fn *fn)
{
	struct tenants tenants = list_tenants(model, use);
	uint64_t found = 0;

	while (found < bytes && tenants.n && tenants.heap[0].bytes > above)
		found += give_up_first(model, &tenants, fn);
	tenants__free(&tenants);
	return found;
}

/* Without a list, and so without tenants. */
static void forget_largest(struct model *model)
{
	const struct account *most = NULL;

	for (struct process *p = model->processes; p; p = p->hh.next) {
		if (account__bytes(p->space->account, BUDGET_LEDGERS) >
		    account__bytes(most, BUDGET_LEDGERS))
			most = p->space->account;
	}
	for (struct process *p = model->processes; p; p = p->hh.next) {
		if (p->space->account == most)
			forget_space(model, p);
	}
}

/* How many bytes of what is given up before ledgers; 0: nothing has much of it. */
static uint64_t give_up_before_ledgers(struct model *model, uint64_t bytes)
{
	const struct model_config *config = &model->config;
	uint64_t much = budget__tables_max(config->budget) / MUCH_OF, found = 0;

	if (config->on_memory_short)
		found = config->on_memory_short(model, bytes, config->stack_ctx);
	if (!found)
		found = give_up(model, BUDGET_KNOWN_STACKS, bytes, much, drop_known_stacks);
	return found ?: give_up(model, BUDGET_TOUCHES, bytes, much, drop_touches);
}

void model__give_up(struct model *model, uint64_t bytes)
{
	uint64_t found;

	while (bytes && (found = give_up_before_ledgers(model, bytes)))
		bytes -= found < bytes ? found : bytes;
	if (bytes && !give_up(model, BUDGET_LEDGERS, bytes, 0, forget_space))
		forget_largest(model);
}

/* What reports still read goes when they are done: until then it is not looked for again. */
void giving_up__check(struct model *model)
{
	struct budget *budget = model->config.budget;
	uint64_t over = budget__tables_over(budget), more;

	if (over <= model->still_over)
		return;
	more = budget__tables_max(budget) / MORE_OF;
	model__give_up(model, over + more);
	over = budget__tables_over(budget);
	model->still_over = over ? over + more : 0;
}

void giving_up__share_known_stacks(struct model *model, const struct account *account)
{
	const struct known_stacks_pool *pool = &model->tools.known_stacks;
	size_t max = known_stacks_pool__max(pool);
	struct tenants tenants;
	uint64_t own = account__bytes(account, BUDGET_KNOWN_STACKS), most = 0;

	if (pool->bytes <= max - max / FREE_OF)
		return;
	tenants = list_tenants(model, BUDGET_KNOWN_STACKS);
	if (tenants.n)
		most = tenants.heap[0].bytes;
	for (size_t i = 0; i < tenants.n; i++) {
		if (tenants.heap[i].next->tenant != tenant_of(account))
			continue;
		if (i)
			own = tenants.heap[i].bytes;
		else /* among its own */
			most = tenants.heap[0].next->bytes;
	}
	if (most / 2 > own)
		give_up_first(model, &tenants, drop_known_stacks);
	tenants__free(&tenants);
}

void model__let_go_sites(struct model *model, uint64_t id, bool all)
{
	for (struct process *p = model->processes; p; p = p->hh.next) {
		if (account__id(p->space->account) != id)
			continue;
		drop_known_stacks(model, p);
		uses__drop_idle(p->space->uses);
		if (all)
			forget_space(model, p);
	}
}
