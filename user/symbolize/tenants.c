// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/tenants.h"

#include <stdlib.h>

#include "util/clock.h"

#define STARTS_AT_ONCE	 64
#define STARTS_A_SECOND	 8
#define RESTARTS_AT_ONCE 3
#define SHARE_LOST	 10 /* one part in so many may be lost */

/* One more a second, up to max. */
struct bucket {
	unsigned left;
	unsigned max;
	uint64_t every_ns; /* one more */
	uint64_t since;
};

struct tenant {
	uint64_t id;
	uint64_t seen_ns; /* 0: the place is free */
	struct bucket starts;
	struct bucket restarts;
	uint64_t paid_ns;  /* when what was lost has been made up for */
	uint64_t again_ns; /* no child before */
};

struct tenants {
	struct tenant tenants[TENANTS_MAX];
};

struct tenants *tenants__new(void)
{
	return calloc(1, sizeof(struct tenants));
}

void tenants__free(struct tenants *tenants)
{
	free(tenants);
}

static struct tenant *find(struct tenants *tenants, uint64_t id, uint64_t now)
{
	struct tenant *oldest = &tenants->tenants[0];

	for (size_t i = 0; i < TENANTS_MAX; i++) {
		struct tenant *tenant = &tenants->tenants[i];

		if (tenant->seen_ns && tenant->id == id) {
			tenant->seen_ns = now;
			return tenant;
		}
		if (tenant->seen_ns < oldest->seen_ns)
			oldest = tenant;
	}
	*oldest = (struct tenant){
		.id = id,
		.seen_ns = now,
		.starts = {STARTS_AT_ONCE, STARTS_AT_ONCE, NSEC_PER_SEC / STARTS_A_SECOND, now},
		.restarts = {RESTARTS_AT_ONCE, RESTARTS_AT_ONCE, NSEC_PER_SEC, now},
	};
	return oldest;
}

static bool take(struct bucket *bucket, uint64_t now)
{
	uint64_t more = (now - bucket->since) / bucket->every_ns;

	bucket->since += more * bucket->every_ns;
	bucket->left = more < bucket->max - bucket->left ? bucket->left + more : bucket->max;
	if (!bucket->left)
		return false;
	bucket->left--;
	return true;
}

bool tenants__may_start(struct tenants *tenants, uint64_t id, bool died)
{
	uint64_t now = clock__boot_ns();
	struct tenant *tenant = find(tenants, id, now);

	return now >= tenant->again_ns && take(died ? &tenant->restarts : &tenant->starts, now);
}

void tenants__lost(struct tenants *tenants, uint64_t id, uint64_t ns, uint64_t forgiven_ns)
{
	uint64_t now = clock__boot_ns(), forgiven = SHARE_LOST * forgiven_ns;
	struct tenant *tenant = find(tenants, id, now);

	if (tenant->paid_ns < now)
		tenant->paid_ns = now;
	tenant->paid_ns += SHARE_LOST * ns;
	if (tenant->paid_ns - now > forgiven)
		tenant->again_ns = tenant->paid_ns - forgiven;
}
