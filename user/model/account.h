/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one program has made the model keep, and do. An account is opened at exec and shared by all
 * that is forked from there: so are the ranges of a ledger, and forking gains nothing.
 *
 * Its memory is counted in the daemon's budget, too. Ranges are let go on any thread; all else is
 * the model's thread's.
 */
#ifndef MEMPROV_ACCOUNT_H
#define MEMPROV_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/budget.h"

struct account;

/* With one reference; NULL when out of memory. budget may be NULL: only the account counts then.
 * id: never used twice. */
struct account *account__new(struct budget *budget, uint64_t id);
uint64_t account__id(const struct account *account);

/* The tenant that its processes belong to (proc/domain.h); 0: not known yet. On the model's thread.
 * Memory is given up by what a tenant has of it: running many programs gains nothing. */
void account__set_tenant(struct account *account, uint64_t tenant);
uint64_t account__tenant(const struct account *account);
struct account *account__ref(struct account *account);
void account__unref(struct account *account); /* accepts NULL */

/* Accept NULL: no account. use: BUDGET_LEDGERS, BUDGET_KNOWN_STACKS or BUDGET_TOUCHES. */
void account__take(struct account *account, enum budget_use use, size_t bytes);
void account__put(struct account *account, enum budget_use use, size_t bytes);
size_t account__bytes(const struct account *account, enum budget_use use);

/*
 * The work that one call may cause. A call that names or moves memory changes every range that lies
 * there, and 250,000 of them take as many calls to make, but one to name, again and again. So each
 * call earns the right to change some, up to ACCOUNT_WORK_MAX, and an account that has none left
 * must do with less. Creating and unmapping are paid by what was created.
 */
#define ACCOUNT_WORK_EARNED 16
#define ACCOUNT_WORK_MAX    (1u << 16)

void account__earn(struct account *account);
/* True when that many changes are its right; they are spent then. NULL: always. */
bool account__spend(struct account *account, size_t changes);

#endif
