// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the daemon gives up when it is short of memory, in this order:
 *
 *   1. stacks that wait to be unwound, of the process that has the most of them
 *   2. known stacks, of the program that has the most of them: they are unwound again
 *   3. samples of first touches, of the program that has the most of them
 *   4. ledgers, of the program that has the largest: its memory becomes unknown, until it maps more
 *
 * The first three as long as one process or program has unusually many.
 */
#include <stdlib.h>

#include "model/model_parts.h"

#define MUCH_OF 16 /* of the tables' share */
#define FREE_OF 4  /* of the room for known stacks: less is little */

/* A little more than what is wanted, so that not every event finds it short again. */
#define MORE_OF 16

static struct account *greediest(const struct model *model, enum budget_use use)
{
	struct account *most = NULL;

	for (const struct process *p = model->processes; p; p = p->hh.next) {
		if (account__bytes(p->space->account, use) > account__bytes(most, use))
			most = p->space->account;
	}
	return most;
}

static void drop_known_stacks(struct model *model, const struct account *account)
{
	for (struct process *p = model->processes; p; p = p->hh.next) {
		struct space *space = p->space;

		if (space->account != account || !space->known_stacks)
			continue;
		known_stacks__unref(space->known_stacks);
		space->known_stacks = known_stacks__new(&model->tools.known_stacks, space->account);
		budget__count(model->config.budget, GIVE_UP_KNOWN_STACKS, 1);
	}
}

static void drop_idle_uses(struct model *model, const struct account *account)
{
	for (struct process *p = model->processes; p; p = p->hh.next) {
		if (p->space->account == account)
			uses__drop_idle(p->space->uses);
	}
}

static void drop_touches(struct model *model, const struct account *account)
{
	for (struct process *p = model->processes; p; p = p->hh.next) {
		if (p->space->account != account)
			continue;
		touches__free(&p->space->touches);
		budget__count(model->config.budget, GIVE_UP_TOUCHES, 1);
	}
}

static void forget_space(struct model *model, struct space *space)
{
	space__forget(space);
	budget__count(model->config.budget, GIVE_UP_SPACES, 1);
}

static void forget_spaces(struct model *model, const struct account *account)
{
	for (struct process *p = model->processes; p; p = p->hh.next) {
		if (p->space->account == account)
			forget_space(model, p->space);
	}
}

struct holder {
	struct process *process;
	const struct account *account;
	size_t bytes;
};

/* The largest first, the processes of an account together. */
static int compare_holders(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->account < y->account ? -1 : x->account > y->account;
}

/* There may be thousands, each of which has little. */
static void forget_largest(struct model *model, uint64_t bytes)
{
	size_t n = HASH_COUNT(model->processes), i = 0;
	struct holder *holders = calloc(n + 1, sizeof(*holders));
	uint64_t found = 0;

	if (!holders) {
		forget_spaces(model, greediest(model, BUDGET_LEDGERS));
		return;
	}
	for (struct process *p = model->processes; p; p = p->hh.next) {
		const struct account *account = p->space->account;

		holders[i++] = (struct holder){p, account, account__bytes(account, BUDGET_LEDGERS)};
	}
	qsort(holders, n, sizeof(*holders), compare_holders);
	for (i = 0; i < n && holders[i].bytes; i++) {
		bool same = i && holders[i].account == holders[i - 1].account;

		if (!same && found >= bytes)
			break;
		found += same ? 0 : holders[i].bytes;
		forget_space(model, holders[i].process->space);
	}
	free(holders);
}

/* How many bytes of what is given up before ledgers; 0: no process or program has much of it. */
static uint64_t give_up_one(struct model *model, uint64_t bytes)
{
	const struct model_config *config = &model->config;
	uint64_t much = budget__tables_max(config->budget) / MUCH_OF, found;
	struct account *most;

	found = config->on_memory_short ? config->on_memory_short(model, bytes, config->stack_ctx)
					: 0;
	if (found)
		return found;
	most = greediest(model, BUDGET_KNOWN_STACKS);
	found = account__bytes(most, BUDGET_KNOWN_STACKS);
	if (found > much) {
		drop_known_stacks(model, most);
		return found;
	}
	most = greediest(model, BUDGET_TOUCHES);
	found = account__bytes(most, BUDGET_TOUCHES);
	if (found > much) {
		drop_touches(model, most);
		return found;
	}
	return 0;
}

void model__give_up(struct model *model, uint64_t bytes)
{
	uint64_t found;

	while (bytes && (found = give_up_one(model, bytes)))
		bytes -= found < bytes ? found : bytes;
	if (bytes)
		forget_largest(model, bytes);
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
	const struct account *most;

	if (pool->bytes <= max - max / FREE_OF)
		return;
	most = greediest(model, BUDGET_KNOWN_STACKS);
	if (account__bytes(most, BUDGET_KNOWN_STACKS) / 2 >
	    account__bytes(account, BUDGET_KNOWN_STACKS))
		drop_known_stacks(model, most);
}

void model__let_go_sites(struct model *model, uint64_t id, bool all)
{
	const struct process *p = model->processes;

	while (p && account__id(p->space->account) != id)
		p = p->hh.next;
	if (!p)
		return;
	drop_known_stacks(model, p->space->account);
	drop_idle_uses(model, p->space->account);
	if (all)
		forget_spaces(model, p->space->account);
}
