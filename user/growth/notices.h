/* SPDX-License-Identifier: BSD-2-Clause */
/* Alerts in the form in which they are told outside (notify/notice.h). */
#ifndef MEMPROV_GROWTH_NOTICES_H
#define MEMPROV_GROWTH_NOTICES_H

#include "growth/alerts.h"
#include "notify/notice.h"

struct arena;

/* Those that fire, and those whose end has not been told, in the arena. 0 or -ENOMEM. */
int notices__make(const struct alerts *alerts, const char *node, struct arena *arena,
		  struct notice **ret, size_t *ret_n);

#endif
