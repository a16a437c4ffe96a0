// SPDX-License-Identifier: BSD-2-Clause
#include "blackbox/place.h"

#include "util/clock.h"

#define AGAIN_NS    (30 * NSEC_PER_SEC)
#define LOOKS	    8	 /* until it is full */
#define FAR_S	    1000 /* as good as never */
#define LOOK_NS_MIN (NSEC_PER_SEC / 50)

uint64_t place__due_ns(const struct place *place)
{
	double left = place->limit > place->usage ? place->limit - place->usage : 0;
	double seconds = place->rate ? left / place->rate / LOOKS : FAR_S;
	uint64_t ns = (seconds < FAR_S ? seconds : FAR_S) * NSEC_PER_SEC;

	return place->noted_ns + (ns < LOOK_NS_MIN ? LOOK_NS_MIN : ns);
}

bool place__wants_reports(const struct place *place, uint64_t now_ns)
{
	bool full = place->usage >= place->limit / 5 * 4;

	if (full && (!place->reported || place->usage >= place->reported + place->limit / 25))
		return true;
	return (full || place->pressed) &&
	       (!place->reported_ns || now_ns - place->reported_ns >= AGAIN_NS);
}

void place__note(struct place *place, uint64_t usage, uint64_t now_ns)
{
	place->rate = 0;
	if (place->noted_ns && now_ns > place->noted_ns && usage > place->usage)
		place->rate =
			(double)(usage - place->usage) / (now_ns - place->noted_ns) * NSEC_PER_SEC;
	place->noted_ns = now_ns;
	place->usage = usage;
	if (usage < place->limit / 10 * 7)
		place->reported = 0;
}
