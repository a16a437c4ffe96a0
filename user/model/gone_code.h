/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code that an address space had while stacks of it waited, and has no more: where it was, since
 * when, and until when. The ledger knows what is there now and not what was, and the map that a
 * stack is unwound by may show what was there for a moment only: a library that was loaded, read,
 * and closed again at the place of another one.
 *
 * It is bounded: beyond GONE_CODE_MAX entries the two that are nearest to each other become one.
 * Then it says of more addresses, and of longer, that their code changed: that costs names, and
 * gives none that are wrong.
 */
#ifndef MEMPROV_GONE_CODE_H
#define MEMPROV_GONE_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/account.h"

#define GONE_CODE_MAX 64

struct gone_code;

/* The code of [lo, hi) was mapped at since_ns (0: before we knew) and is gone since gone_ns. Made
 * when *gone is NULL; -ENOMEM leaves it so. It takes a reference to the account. */
int gone_code__add(struct gone_code **gone, struct account *account, uint64_t lo, uint64_t hi,
		   uint64_t since_ns, uint64_t gone_ns);

/* Whether code came to the address, or went from there, later than from_ns and not later than
 * until_ns. gone may be NULL. */
bool gone_code__changed(const struct gone_code *gone, uint64_t addr, uint64_t from_ns,
			uint64_t until_ns);

/* NULL for NULL, and when out of memory. */
struct gone_code *gone_code__copy(const struct gone_code *gone);
void gone_code__free(struct gone_code **gone); /* leaves NULL */

#endif
