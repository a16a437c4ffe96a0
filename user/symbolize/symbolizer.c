// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/procfs.h"
#include "symbolize/fallback.h"
#include "symbolize/symbolizer_parts.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "wire/machine.h"
#include "wire/python_frames.h"
#include "wire/wire.h"

#define FORGIVEN_NS (60 * NSEC_PER_SEC)
#define TRIES	    3
#define DEATHS_MAX  2 /* of the child, at one process */
#define LOST_MAX    2 /* timeouts of a tenant's children, for which others wait */

/* --- the child's life ---------------------------------------------------------------------- */

/* The child has died, or must: it took too long, or says what it should not. */
static void end(struct symbolizer *symbolizer, struct cell *cell, struct image *image)
{
	uint32_t blame = launch__end(&symbolizer->launcher, &cell->child);

	if (blame != WIRE_BLAME_PROCESS) {
		images__blame(cell->images, blame);
	} else if (image) {
		image->deaths++;
		image->death_ns = clock__boot_ns();
	}
	images__untell(cell->images);
	cell->died = true;
}

static int start(struct symbolizer *symbolizer, struct cell *cell)
{
	int err;

	if (launch__has_ended(&cell->child) || cell->deaf)
		end(symbolizer, cell, NULL);
	cell->deaf = false;
	if (cell->child.pid)
		return 0;
	/* Without the launcher there is no child, and no turn to wait for. */
	if (symbolizer->launcher.socket < 0)
		return -EPIPE;
	if (launcher__is_late(&symbolizer->launcher))
		return -EBUSY;
	if (!tenants__may_start(symbolizer->tenants, domain__tenant(&cell->domain), cell->died))
		return -EAGAIN;
	symbolizer->before = (struct launched_times){};
	err = launch__start_child(&symbolizer->launcher, &cell->child);
	/* A node without room for another process is no turn to wait for either. */
	if (err)
		return err == -EAGAIN ? -EBUSY : err;
	symbolizer->stats.restarts += cell->died;
	cell->died = false;
	return 0;
}

int symbolizer__new(const struct symbolizer_config *config, struct symbolizer **ret)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));
	uint64_t memory = cells__child_memory(config->child_memory);
	int err = -ENOMEM;

	if (!symbolizer)
		return err;
	symbolizer->config = *config;
	cells__init(&symbolizer->cells, config->proc, &symbolizer->launcher,
		    config->child_memory - memory);
	symbolizer->tenants = tenants__new();
	symbolizer->glancer = glancer__new(config->proc);
	if (symbolizer->tenants && symbolizer->glancer)
		err = launcher__start(memory, config->launcher_capabilities, &symbolizer->launcher);
	if (err) {
		symbolizer__free(symbolizer);
		return err;
	}
	*ret = symbolizer;
	return 0;
}

int symbolizer__start(struct symbolizer *symbolizer)
{
	return glancer__start(symbolizer->glancer);
}

void symbolizer__free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	cells__free(&symbolizer->cells);
	launcher__stop(&symbolizer->launcher);
	tenants__free(symbolizer->tenants);
	glancer__free(symbolizer->glancer);
	free(symbolizer);
}

/* --- whose stack it is --------------------------------------------------------------------- */

static bool is_of(const struct subject *subject, pid_t tgid, uint64_t start_ticks)
{
	return subject->tgid == tgid && subject->start_ticks == start_ticks;
}

int symbolizer__look(struct symbolizer *symbolizer, pid_t tgid, uint64_t start_ticks)
{
	_cleanup_close_ int pidfd = -1;
	struct subject subject = {
		.tgid = tgid, .start_ticks = start_ticks, .looked_ns = clock__boot_ns()};
	struct credentials credentials;
	const struct cell *cell;
	int err;

	pidfd = procfs__open_begun(symbolizer->config.proc, tgid, start_ticks);
	if (pidfd < 0)
		return pidfd == -ENOENT ? -ESRCH : pidfd;
	err = domain__of(pidfd, tgid, start_ticks, &subject.domain, &credentials);
	if (err)
		return err;
	/* What is on a child's own stack comes from the domain that it serves. By their users each
	 * would be a domain, and need a child of its own, and that one, too. Another daemon's
	 * children are not looked into, or it would look into the child that did. */
	cell = cells__of_child(&symbolizer->cells, tgid);
	if (cell)
		subject.domain = cell->domain;
	else if (credentials.uids[1] - WIRE_IDS_FIRST < WIRE_IDS)
		return -EPERM;
	symbolizer->subject = subject;
	return 0;
}

/*
 * The cell of the domain that the process is in, as seen after the stack was taken. Of a process
 * that has gone it is the one that knows its code; what that was told is too old if the process has
 * begun another program since.
 */
static int find_cell(struct symbolizer *symbolizer, const struct unwind_request *request,
		     struct cell **ret)
{
	const struct subject *subject = &symbolizer->subject;
	pid_t tgid = request->tgid;
	struct domain domain;
	struct cell *known;
	int err = 0;

	if (!is_of(subject, tgid, request->start_ticks) || subject->looked_ns < request->taken_ns ||
	    request->enrich)
		err = symbolizer__look(symbolizer, tgid, request->start_ticks);
	if (err && err != -ESRCH)
		return err;
	if (err) {
		symbolizer->subject = (struct subject){};
		known = cells__of(&symbolizer->cells, tgid, request->start_ticks);
		if (!known || images__known(known->images, tgid, request->start_ticks)->read_ns <
				      request->map_since_ns)
			return -ESRCH;
		domain = known->domain;
	} else {
		domain = subject->domain;
	}
	*ret = cells__get(&symbolizer->cells, &domain);
	if (!*ret)
		return -ENOMEM;
	cells__forget(&symbolizer->cells, tgid, request->start_ticks, *ret);
	(*ret)->deadline = symbolizer->deadline;
	return 0;
}

/* --- one stack ----------------------------------------------------------------------------- */

struct asking {
	struct symbolizer *symbolizer;
	struct cell *cell;
	const struct unwind_request *request;
	struct arena *arena;
	struct found_python *python; /* that is looked for; NULL: a stack is to be unwound */
};

static int ask_about_file(const struct asking *asking, struct image *image, uint32_t file)
{
	struct symbolizer *symbolizer = asking->symbolizer;
	const struct wire_python *answer = (const void *)symbolizer->packet;
	struct wire_head head = {WIRE_FIND_PYTHON, file};
	ssize_t n = cell__send(asking->cell, &head, sizeof(head), NULL, 0, -1);

	n = n ?: symbolizer__receive_said(symbolizer, asking->cell, image);
	if (n < 0)
		return n;
	if (wire__check_python(answer, n) || answer->head.number != file)
		return -EBADMSG;
	images__set_python(asking->cell->images, file, &answer->file);
	return 0;
}

/* An interpreter's file is called so; or it is in the program itself, whatever that is called. */
static bool may_have_python(const struct image *image, size_t row)
{
	const char *slash = image->rows[row].name ? strrchr(image->rows[row].name, '/') : NULL;

	return slash &&
	       (!row || !strncmp(slash, "/python", 7) || !strncmp(slash, "/libpython", 10));
}

/* In the file that is mapped at the address, or, if that is 0, in all that may have one. */
static int find_python(const struct asking *asking, struct image *image)
{
	struct found_python *found = asking->python;

	for (size_t i = 0; i < image->n && !found->runtime; i++) {
		const struct wire_row *row = &image->rows[i].wire;
		const struct mp_python_file *file;
		int err = 0;

		if (!row->file || row->beside ||
		    !(found->addr ? found->addr - row->start < row->end - row->start
				  : may_have_python(image, i)))
			continue;
		if (!images__python(asking->cell->images, row->file))
			err = ask_about_file(asking, image, row->file);
		if (err)
			return err;
		file = images__python(asking->cell->images, row->file);
		found->file = *file;
		found->looked = true;
		if (file->runtime)
			found->runtime = row->start - row->offset + file->runtime - file->shift;
	}
	return 0;
}

static int ask_child(const struct asking *asking, struct image *image, struct unwound *ret,
		     bool *ret_left_code)
{
	const struct unwind_request *request = asking->request;
	const struct mp_stack *stack = request->stack;
	bool is_there = is_of(&asking->symbolizer->subject, request->tgid, request->start_ticks);
	struct wire_unwind head = {
		.head = {WIRE_UNWIND, image->number},
		.enrich = request->enrich && is_there,
		.taken_ns = request->taken_ns,
		.stack = *stack,
	};
	struct wire_reading reading = {
		.arena = asking->arena,
		.modules = image->names,
		.n_modules = image->n,
	};
	enum stack_lasts lasts;
	int err;

	if (stack->kind == MP_STACK_COPY) {
		const struct mp_stack_copy *copy = (const void *)stack->data;

		reading.copy = pieces__of(copy, stack->bytes, copy->regs[MACHINE_SP]);
		reading.words_max = copied_stack__words(stack);
	}
	err = cell__send(asking->cell, &head, sizeof(head), stack->data, stack__bytes(stack), -1);
	err = err ?: symbolizer__receive_answer(asking->symbolizer, asking->cell, image, &reading);
	if (err)
		return err;
	/* A poor one is known for a while: to unwind it makes the child map files, whose stacks
	 * come here, too. */
	lasts = reading.poor && !reading.lasts ? STACK_PASSES : reading.lasts;
	if (reading.nameless || asking->symbolizer->reads.refused)
		lasts = STACK_IS_ONCE;
	*ret = (struct unwound){
		.source = reading.n_frames ? reading.source : STACK_SOURCE_NONE,
		.truncated = reading.truncated,
		.lasts = lasts,
		.poor = reading.poor && is_there && !cell__is_of_child(asking->cell, image),
		.frames = reading.frames,
		.n = reading.n_frames,
		.words = reading.words,
		.n_words = reading.n_words,
		.map_read_ns = image->read_ns,
		.map_end_ns = image->end_ns,
	};
	*ret_left_code = reading.left_code;
	return 0;
}

/* The image and its names change with the next request; the answer is the caller's. */
static int keep_modules(struct arena *arena, struct unwound *unwound)
{
	struct frame *frames = (struct frame *)unwound->frames;

	for (size_t i = 0; i < unwound->n; i++) {
		if (!frames[i].module)
			continue;
		frames[i].module = arena__strdup(arena, frames[i].module);
		if (!frames[i].module)
			return -ENOMEM;
	}
	return 0;
}

static bool is_whole(const struct mp_stack *stack)
{
	const struct mp_python *python = stack__python(stack);

	if (python && !python__is_whole(python, stack->python * sizeof(uint64_t)))
		return false;
	if (stack->kind == MP_STACK_COPY)
		return pieces__are_whole((const void *)stack->data, stack->bytes);
	return stack->kind == MP_STACK_FP && stack->bytes % 8 == 0 &&
	       stack->bytes <= MP_FP_MAX * sizeof(uint64_t);
}

/* The child has died of it more than once; not for ever, because memory may have been short. */
static bool is_deadly(const struct image *image)
{
	return image->deaths >= DEATHS_MAX && clock__boot_ns() - image->death_ns < FORGIVEN_NS;
}

/* The child is of no use any more, because of this request for all that is known. */
static void lose_child(const struct asking *asking, struct image *image)
{
	struct symbolizer *symbolizer = asking->symbolizer;

	tenants__lost(symbolizer->tenants, domain__tenant(&asking->cell->domain),
		      clock__boot_ns() - symbolizer->began,
		      LOST_MAX * symbolizer__timeout_ns(symbolizer));
	end(symbolizer, asking->cell, image);
}

static bool has_died(int err)
{
	return err == -EPIPE || err == -ECONNRESET || err == -ECOMM;
}

/* 1 with the answer; 0: there is none; -EAGAIN, or what keeps the process from being read. */
static int ask(const struct asking *asking, struct unwound *ret, struct image **ret_image)
{
	struct symbolizer *symbolizer = asking->symbolizer;
	const struct unwind_request *request = asking->request;
	struct images *images = asking->cell->images;
	uint64_t read = images__maps_read(images);
	bool left_code = false;
	int err;

	/* Again when the child has forgotten everything, being idle, when the map has changed, or
	 * when the child has died: of something else perhaps. */
	for (int i = 0; i < TRIES; i++) {
		int started;

		/* One that dies is begun again for stacks alone, which wait for their turn. */
		if (asking->python && asking->cell->died)
			return 0;
		started = start(symbolizer, asking->cell);

		if (started == -EAGAIN)
			return started;
		err = images__get(images, request->tgid, request->start_ticks,
				  request->map_since_ns, request->visitor, ret_image);
		if (err == -ECANCELED)
			return err;
		symbolizer->stats.maps_read += images__maps_read(images) - read;
		read = images__maps_read(images);
		if (err && err != -ECOMM)
			return err;
		if (started || is_deadly(*ret_image))
			return 0;
		if (!err && asking->python)
			err = find_python(asking, *ret_image);
		else
			err = err ?: ask_child(asking, *ret_image, ret, &left_code);
		if (!err && left_code && i < TRIES - 1 &&
		    images__refresh(*ret_image, request->taken_ns, request->code_added_ns))
			continue;
		if (!err)
			return 1;
		if (err == -ESTALE)
			images__untell(images);
		else
			lose_child(asking, *ret_image);
		if (err != -ESTALE && !has_died(err))
			return 0;
	}
	return 0;
}

static int unwind(const struct asking *asking, struct unwound *ret)
{
	struct image *image = NULL;
	int answered = ask(asking, ret, &image);

	if (answered < 0)
		return answered;
	if (answered)
		return keep_modules(asking->arena, ret);
	return fallback__unwind(image, asking->request->stack, asking->arena, ret);
}

static int begin_asking(struct asking *asking)
{
	struct symbolizer *symbolizer = asking->symbolizer;
	int err;

	memory_reads__begin(&symbolizer->reads);
	symbolizer__begin_request(symbolizer);
	err = find_cell(symbolizer, asking->request, &asking->cell);
	if (!err)
		symbolizer->before = launch__times(&asking->cell->child);
	return err;
}

/* One that has been replaced meanwhile began at nothing. */
static void end_asking(struct asking *asking)
{
	struct symbolizer *symbolizer = asking->symbolizer;
	uint64_t before = symbolizer->before.ran_ns, now;

	memory_reads__end(&symbolizer->reads);
	if (!asking->cell)
		return;
	now = launch__times(&asking->cell->child).ran_ns;
	symbolizer->stats.children_ns += now - (now < before ? 0 : before);
}

int symbolizer__find_python(struct symbolizer *symbolizer, const struct unwind_request *request,
			    struct found_python *found)
{
	struct asking asking = {.symbolizer = symbolizer, .request = request, .python = found};
	struct image *image;
	int err = begin_asking(&asking);

	err = err ?: ask(&asking, NULL, &image);
	end_asking(&asking);
	return err < 0 ? err : 0;
}

int symbolizer__unwind(struct symbolizer *symbolizer, const struct unwind_request *request,
		       struct arena *arena, struct unwound *ret)
{
	struct asking asking = {.symbolizer = symbolizer, .request = request, .arena = arena};
	struct unwound unwound = {};
	int err;

	if (!is_whole(request->stack))
		return -EINVAL;
	err = begin_asking(&asking);
	err = err ?: unwind(&asking, &unwound);
	end_asking(&asking);
	if (err)
		return err;
	symbolizer->stats.unwound++;
	symbolizer->stats.truncated += unwound.truncated;
	unwound.tenant = domain__tenant(&asking.cell->domain);
	*ret = unwound;
	return 0;
}

void symbolizer__forget(struct symbolizer *symbolizer, pid_t tgid, uint64_t start_ticks)
{
	if (is_of(&symbolizer->subject, tgid, start_ticks))
		symbolizer->subject = (struct subject){};
	cells__forget(&symbolizer->cells, tgid, start_ticks, NULL);
}

enum launcher_state symbolizer__launcher(const struct symbolizer *symbolizer)
{
	return launcher__state(&symbolizer->launcher);
}

void symbolizer__stats(struct symbolizer *symbolizer, struct symbolizer_stats *ret)
{
	*ret = symbolizer->stats;
}
