// SPDX-License-Identifier: BSD-2-Clause
#include "model/account.h"

#include <stdlib.h>

#include "util/refs.h"

struct account {
	unsigned refs;
	uint64_t id;
	uint64_t tenant;
	size_t bytes[BUDGET_TOUCHES + 1]; /* atomic */
	struct budget *budget;
	size_t work; /* changes that it may still make */
};

struct account *account__new(struct budget *budget, uint64_t id)
{
	struct account *account = calloc(1, sizeof(*account));

	if (!account)
		return NULL;
	account->refs = 1;
	account->id = id;
	account->budget = budget__ref(budget);
	account->work = ACCOUNT_WORK_MAX;
	return account;
}

uint64_t account__id(const struct account *account)
{
	return account->id;
}

void account__set_tenant(struct account *account, uint64_t tenant)
{
	account->tenant = tenant;
}

uint64_t account__tenant(const struct account *account)
{
	return account->tenant;
}

struct account *account__ref(struct account *account)
{
	refs__get(&account->refs);
	return account;
}

void account__unref(struct account *account)
{
	if (!account || !refs__put(&account->refs))
		return;
	budget__unref(account->budget);
	free(account);
}

void account__take(struct account *account, enum budget_use use, size_t bytes)
{
	if (!account)
		return;
	__atomic_fetch_add(&account->bytes[use], bytes, __ATOMIC_RELAXED);
	budget__take(account->budget, use, bytes);
}

void account__put(struct account *account, enum budget_use use, size_t bytes)
{
	if (!account)
		return;
	__atomic_fetch_sub(&account->bytes[use], bytes, __ATOMIC_RELAXED);
	budget__put(account->budget, use, bytes);
}

size_t account__bytes(const struct account *account, enum budget_use use)
{
	return account ? __atomic_load_n(&account->bytes[use], __ATOMIC_RELAXED) : 0;
}

void account__earn(struct account *account)
{
	if (account && account->work < ACCOUNT_WORK_MAX)
		account->work += ACCOUNT_WORK_EARNED;
}

bool account__spend(struct account *account, size_t changes)
{
	if (!account)
		return true;
	if (account->work < changes)
		return false;
	account->work -= changes;
	return true;
}
