// SPDX-License-Identifier: BSD-2-Clause
/* Rooms that keep what they are told: growth, the black box, the outbox, history, waiting stacks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/events.h"
#include "../unit/made_sites.h"
#include "../unit/sample_report.h"
#include "blackbox/kept.h"
#include "blackbox/ooms.h"
#include "child/elf_module.h"
#include "child/symbols.h"
#include "child/symtab.h"
#include "growth/alert_encode.h"
#include "growth/evaluate.h"
#include "growth/notices.h"
#include "history/encode.h"
#include "history/members.h"
#include "history/moment.h"
#include "history/note.h"
#include "history/store.h"
#include "history/timeline.h"
#include "history/words.h"
#include "live/stack_queue.h"
#include "notify/outbox.h"
#include "proc/crew.h"
#include "proc/statm.h"
#include "scenarios.h"
#include "serve/jobs.h"
#include "symbolize/file_table.h"
#include "symbolize/tenants.h"
#include "util/cleanup.h"

/* What a scenario is given cannot fail. */
static struct report *make_report(void)
{
	struct report *report;

	fault_plan->held = 1;
	report = sample_report__new();
	fault_plan->held = 0;
	return report;
}

/* --- growth ------------------------------------------------------------------------------------
 */

static int growth(struct said *said)
{
	struct growers growers = {};
	struct alerts alerts = {};
	struct report *report = make_report();
	const struct observation o = {.report = report, .start_ticks = 100, .mappings = 5000};
	struct arena *arena = arena__new();
	struct notice *notices;
	size_t n = 0;
	int err;

	for (report->pid = 1; report->pid < 20; report->pid++) {
		struct grower *grower = growers__observe(&growers, &o);
		struct alert *alert = grower ? alerts__add(&alerts, ALERT_GROWTH) : NULL;

		if (alert)
			alert->pid = report->pid;
	}
	err = arena ? notices__make(&alerts, "node", arena, &notices, &n) : -ENOMEM;
	said->lost = growers.turned_away + alerts.turned_away;
	if (!err)
		say(said, "%u processes, %zu notices\n", HASH_COUNT(growers.processes), n);
	arena__free(arena);
	alerts__free(&alerts);
	growers__free(&growers);
	report__free(report);
	return err;
}

/* --- the black box -----------------------------------------------------------------------------
 */

static bool may_see(uid_t uid, const void *ctx)
{
	(void)uid, (void)ctx;
	return true;
}

static int kills(struct said *said)
{
	static struct kept kept;
	static struct ooms ooms;
	struct report *report = make_report();
	_cleanup_buf_ struct buf json = {};
	struct oom oom = {.victim = {.pid = 4242, .comm = "a"}, .cgroup = "/a"};
	int err = kept__add(&kept, report, 100, 0);

	oom.report = err ? NULL : kept__find(&kept, 4242, 100);
	err = err ?: ooms__add(&ooms, &oom);
	if (!err) {
		ooms__encode_json(&ooms, may_see, NULL, false, &json);
		err = buf__error(&json);
	}
	/* Reports do not tell how old they are twice. */
	if (!err)
		say(said, "%d\n", json.len > 100);
	kept__free(&kept);
	ooms__free(&ooms);
	memset(&kept, 0, sizeof(kept));
	memset(&ooms, 0, sizeof(ooms));
	report__free(report);
	return err;
}

/* --- notify ------------------------------------------------------------------------------------
 */

static int notify(struct said *said)
{
	const struct outbox_config config = {
		.n_receivers = 1, .generator_url = "http://a/", .resend_ns = 1, .keep_ended_ns = 1};
	static const struct notice_text summary[] = {{"summary", "it grows"}};
	struct outbox *outbox = outbox__new(&config);
	_cleanup_buf_ struct buf json = {};
	struct outbox_batch batch;
	char number[8];

	if (!outbox)
		return -ENOMEM;
	for (int i = 0; i < 20; i++) {
		const struct notice_text labels[] = {{"alertname", "leak"}, {"pid", number}};
		const struct notice notice = {labels, 2, summary, 1, 1000, 0};

		snprintf(number, sizeof(number), "%d", i);
		outbox__evaluated(outbox, &notice, 1, 10 + i, 1000);
	}
	outbox__take(outbox, 0, 100, 1000, &batch, &json);
	outbox__put_back(outbox, 0, &batch, true, 100);
	said->lost = outbox__dropped(outbox) + (buf__error(&json) ? 1 : 0);
	say(said, "%zu kept, %zu sent\n", outbox__count(outbox), batch.n);
	outbox__free(outbox);
	return 0;
}

/* --- history -----------------------------------------------------------------------------------
 */

static int write_moment(struct members *members, const struct target *target, struct said *said)
{
	struct report *report = make_report();
	const struct observation o = {
		.report = report, .start_ticks = 100, .taken_ns = 2000000000, .summed = true};
	struct note *note = note__new(&o);
	int err = note ? store__begin(target->store) : -ENOMEM;

	members__begin(members);
	err = err ?: members__apply(members, target, note);
	err = err ?: members__sum(members, target, 1000);
	err = err ?: store__commit(target->store);
	if (err) {
		members__undo(members);
		store__rollback(target->store);
	} else {
		say(said, "written\n");
	}
	note__free(note);
	report__free(report);
	return err;
}

static int read_back(sqlite3 *db, struct said *said)
{
	const struct timeline_query query = {.to_ns = 100000000000, .top = 5};
	struct arena *arena = arena__new();
	const struct encode_options options = {};
	_cleanup_buf_ struct buf text = {};
	struct selection selection;
	struct timeline timeline;
	int err = arena ? selection__find(db, &(struct history_selector){}, arena, &selection)
			: -ENOMEM;

	err = err ?: timeline__read(db, &selection, &query, arena, &timeline);
	if (!err) {
		timeline__encode_json(&timeline, &selection, &options, &text);
		err = buf__error(&text);
	}
	if (!err)
		say(said, "%zu points, %zu sites\n", timeline.n, timeline.n_sites);
	arena__free(arena);
	return err;
}

/* In memory: sqlite's own calls for a file are not ours to refuse (tests/system/test_faults.py
 * has). */
static int history(struct said *said)
{
	char note[STORE_NOTE_LEN];
	struct target target = {.words = words__new()};
	struct members *members = members__new("boot");
	sqlite3 *db = NULL;
	int cause, err = target.words && members ? 0 : -ENOMEM;

	err = err ?: store__open(NULL, 8 << 20, note, &cause, &target.store);
	if (!err) {
		sqlite3_stmt *put = target.store->statements[PUT_SPAN];

		err = db__bind(put, (int64_t[]){1000, 10}, 2) ?: db__get(put, &target.span.id);
	}
	err = err ?: write_moment(members, &target, said);
	err = err ?: store__open_reader(NULL, target.store->uri, &db);
	err = err ?: read_back(db, said);
	sqlite3_close(db);
	store__close(target.store);
	members__free(members);
	words__free(target.words);
	return err;
}

/* --- live --------------------------------------------------------------------------------------
 */

struct waiting_stacks {
	struct stack_queue *queue;
	size_t taken;
};

static bool take_stack(const struct raw_stack *raw, void *ctx)
{
	struct waiting_stacks *waiting = ctx;
	bool taken = stack_queue__take(waiting->queue, raw);

	waiting->taken += taken;
	return taken;
}

static void map_with_stack(struct model *model, unsigned i)
{
	struct {
		struct mp_event_mmap mmap;
		struct mp_stack head;
		uint64_t ips[2];
	} e = {.mmap = event_mmap(1, START_NS, 16 + 2 * i, 1).mmap,
	       .head = {.kind = MP_STACK_FP, .bytes = sizeof(e.ips)},
	       .ips = {0x1000, 0x2000 + i}};

	e.mmap.head.tgid = TGID + i % 3;
	e.mmap.head.stack_bytes = sizeof(e.head) + sizeof(e.ips);
	model__apply(model, (const union mp_event *)&e);
}

static int stacks(struct said *said)
{
	struct waiting_stacks waiting = {.queue = stack_queue__new(NULL, NULL)};
	const struct model_config config = {
		.page_size = PAGE, .on_stack = take_stack, .stack_ctx = &waiting};
	struct model *model = waiting.queue ? model__new(&config) : NULL;
	struct model_stats stats = {};

	for (unsigned i = 0; model && i < 12; i++)
		map_with_stack(model, i);
	if (model) {
		model__stats(model, &stats);
		said->lost = stats.untaken_stacks + stats.refused;
		say(said, "%zu wait\n", waiting.taken);
	}
	stack_queue__free(waiting.queue);
	model__free(model);
	return model ? 0 : -ENOMEM;
}

/* --- serve -------------------------------------------------------------------------------------
 */

static void never_run(struct job *job, struct visitor *visitor)
{
	(void)job, (void)visitor;
	abort();
}

static int jobs(struct said *said)
{
	struct jobs_config config = {.queue = 4, .run = never_run, .stuck = never_run};
	struct job all[6] = {}, *out;
	struct jobs *jobs = NULL;
	size_t waits = 0;
	int err = crew__new("/proc", 0, &config.crew);

	err = err ?: jobs__new(&config, &jobs);
	for (size_t i = 0; !err && i < 6; i++) {
		all[i].source = i;
		said->lost += jobs__submit(jobs, &all[i], &out) != 0;
	}
	while (jobs && jobs__take_back(jobs))
		waits++;
	if (!err)
		say(said, "%zu wait\n", waits);
	if (config.crew)
		crew__stop(config.crew, 0);
	jobs__free(jobs);
	crew__free(config.crew);
	return err;
}

/* --- symbolize, child --------------------------------------------------------------------------
 */

static int files(struct said *said)
{
	struct file_table *table = file_table__new();
	struct tenants *tenants = tenants__new();
	uint32_t taken = 0;
	bool is_new;

	for (uint64_t i = 1; table && tenants && i < 40; i++) {
		const struct file_identity identity = {.inode = i};

		taken += file_table__take(table, &identity, &is_new) != 0;
		tenants__may_start(tenants, i, false);
	}
	if (table && tenants)
		say(said, "%u\n", taken);
	file_table__free(table);
	tenants__free(tenants);
	return table && tenants ? 0 : -ENOMEM;
}

static int find_no_debug(void *ctx, uint32_t file, const char *link)
{
	(void)ctx, (void)file, (void)link;
	return -1;
}

static int look_up(struct elf_module *module, struct said *said)
{
	struct symbols *symbols = symbols__new(1 << 20);
	struct arena *arena = arena__new();
	const struct symbol *found;
	struct symtab *symtab = NULL;
	uint64_t address = 0;
	size_t n = 0;
	int err = symbols && arena ? elf_module__load(module) : -ENOMEM;

	err = err ?: symtab__new(elf_module__dwfl(module), &symtab);
	for (uint64_t at = 0; !err && at < 0x3000; at += 0x100) {
		if (!elf_module__address(module, at, &address))
			continue;
		elf_module__cfi(module, address);
		err = symbols__lookup(symbols, elf_module__dwfl(module), address, arena, &found,
				      &n);
		if (!err)
			say(said, "%s\n", n ? found[0].function ?: "?" : "-");
	}
	symtab__free(symtab);
	symbols__free(symbols);
	arena__free(arena);
	return err;
}

static int elf_file(struct said *said)
{
	struct elf_module *module;
	int fd, err;

	fault_plan->held = 1;
	fd = open("build/workloads/stacks", O_RDONLY | O_CLOEXEC);
	fault_plan->held = 0;
	if (fd < 0)
		return 1;
	module = elf_module__new(1, fd, find_no_debug, NULL);
	err = module ? look_up(module, said) : -ENOMEM;
	if (!module)
		close(fd);
	elf_module__free(module);
	return err;
}

const struct scenario scenarios_kept[] = {
	{"growth", "20 processes, each with an alert", COUNTS_LOSS, growth},
	{"blackbox", "a kill with its report", 0, kills},
	{"notify", "20 alerts to send", COUNTS_LOSS, notify},
	{"history", "a moment, written and read", 0, history},
	{"live", "12 stacks that wait", COUNTS_LOSS, stacks},
	{"serve", "jobs that wait", COUNTS_LOSS, jobs},
	{"symbolize", "files and tenants", MAY_LOSE, files},
	{"child", "names in an ELF file", MAY_LOSE, elf_file},
	{},
};
