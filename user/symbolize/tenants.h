/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each tenant (proc/domain.h) may still make us do for its children: how many may be started,
 * and how much time may be lost with those that hang. Tenants are kept when their children are not.
 */
#ifndef MEMPROV_TENANTS_H
#define MEMPROV_TENANTS_H

#include <stdbool.h>
#include <stdint.h>

#define TENANTS_MAX 256 /* that are remembered; the one that was not seen for the longest goes */

struct tenants;

struct tenants *tenants__new(void);	     /* NULL when out of memory */
void tenants__free(struct tenants *tenants); /* accepts NULL */

/* Whether a child may be started; then it has been counted. `died`: because another has died: three
 * at once, then one a second. Else 64 at once, then eight a second. The stacks of one that may not
 * start wait. */
bool tenants__may_start(struct tenants *tenants, uint64_t tenant, bool died);

/* So long did we wait for a child in vain. When that is more than a tenth of the time, and more
 * than `forgiven_ns`, none is started. */
void tenants__lost(struct tenants *tenants, uint64_t tenant, uint64_t ns, uint64_t forgiven_ns);

#endif
