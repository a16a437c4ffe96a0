// SPDX-License-Identifier: BSD-2-Clause
#include "serve/list_trends.h"

#include "history/history.h"
#include "history/trends.h"
#include "report/caller.h"
#include "report/report.h"
#include "serve/remembered.h"
#include "util/clock.h"

void list_trends__add(const struct list_trends *wanted, struct report *report)
{
	enum remembered_rights rights = remembered__rights(wanted->proc, wanted->caller);
	const struct trends_query query = {
		.to_ns = clock__wall_ns(),
		.n = wanted->n,
		.rows = wanted->rows,
		.boot = history__boot(wanted->history),
		.all = rights == REMEMBERED_ALL,
		.uid = wanted->caller->reader.uid,
		.gid = wanted->caller->reader.gid,
	};
	sqlite3 *db = NULL;

	report->trends = (struct trends){
		.n = wanted->n,
		.step_ms = TRENDS_LENGTH_S * 1000ULL / wanted->n,
	};
	if (rights == REMEMBERED_NONE || history__open(wanted->history, &db))
		return;
	/* All of it is of one state of the store. */
	if (!db__exec(db, "BEGIN"))
		trends__read(db, &query, report);
	sqlite3_close(db);
}
