/* SPDX-License-Identifier: BSD-2-Clause */
/* The last kills for want of memory, as they are shown. For one thread at a time. */
#ifndef MEMPROV_OOMS_H
#define MEMPROV_OOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "blackbox/kept.h"
#include "history/kills.h"
#include "util/buf.h"

#define OOMS_MAX   64
#define OTHERS_MAX 10

enum oom_scope { OOM_CGROUP, OOM_NODE, OOM_SCOPES };

const char *oom_scope__name(enum oom_scope scope);

struct oom_process {
	pid_t pid;
	uint64_t rss; /* bytes */
	char comm[64];
};

/* What is known of a kill. */
struct oom {
	uint64_t at_ns; /* CLOCK_BOOTTIME */
	enum oom_scope scope;
	const char *cgroup; /* whose limit it was; NULL: the node's */
	uint64_t limit;	    /* bytes */
	struct oom_process victim;
	uid_t victim_uid; /* (uid_t)-1: not known, or several */
	bool has_score_adj;
	int score_adj;
	struct oom_process trigger;
	const struct kept_report *report; /* NULL: there is none */
	const struct buf *growth;	  /* elements of a JSON array; NULL: none */
	struct oom_process others[OTHERS_MAX];
	size_t n_others;
};

enum oom_text {
	OOM_JSON,
	OOM_ROW, /* of the list, as text */
	OOM_WHOLE,
	OOM_TEXTS,
};

struct oom_entry {
	uint64_t id; /* 0: none */
	uid_t uid;
	struct buf texts[OOM_TEXTS];
};

struct ooms {
	uint64_t last_id;
	struct oom_entry entries[OOMS_MAX]; /* by id modulo OOMS_MAX */
};

void ooms__free(struct ooms *ooms);

/* Takes a copy of what there is to say. 0 or -ENOMEM. */
int ooms__add(struct ooms *ooms, const struct oom *oom);

/* One of before a restart, before any is added; ids grow. */
void ooms__restore(struct ooms *ooms, const struct kill_entry *kept);

/* Those that the user may see, newest first; may_see(uid, ctx). Brief: of the reports only their
 * age. */
typedef bool ooms_may_see_fn(uid_t uid, const void *ctx);
void ooms__encode_json(const struct ooms *ooms, ooms_may_see_fn *may_see, const void *ctx,
		       bool brief, struct buf *ret);
void ooms__encode_text(const struct ooms *ooms, ooms_may_see_fn *may_see, const void *ctx,
		       struct buf *ret);

/* NULL when it is not, or no longer, there. */
const struct oom_entry *ooms__find(const struct ooms *ooms, uint64_t id);

/* The one, in the same form. */
void oom_entry__encode(const struct oom_entry *entry, bool json, struct buf *ret);

#endif
