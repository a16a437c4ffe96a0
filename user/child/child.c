// SPDX-License-Identifier: BSD-2-Clause
#include "child/child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "child/child_tables.h"
#include "child/python_layout.h"
#include "child/remote.h"
#include "child/reply.h"
#include "child/sandbox.h"
#include "child/unwind.h"
#include "child/v8_name.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/number.h"
#include "wire/channel.h"
#include "wire/python_frames.h"
#include "wire/wire.h"

#define IDLE_NS	      (10 * NSEC_PER_SEC)
#define SYMBOLS_SHARE 8	 /* of the memory: answers that are kept */
#define ROOM_EVERY    8	 /* requests: how often to look */
#define RECENT	      64 /* requests: files that were used in the last ones stay */

struct child {
	struct child_tables tables;
	volatile uint32_t *blame;
	uint64_t memory;
	uint64_t requests;
	struct symbols *symbols;
	struct remote remote;
	struct found_stack found;
	uint32_t words[(MP_STACK_MAX + MP_OTHER_MAX) / 8];
	_Alignas(8) uint8_t packet[WIRE_PACKET_MAX];
};

/* --- asking the parent --------------------------------------------------------------------- */

/* Files that do not belong to a question (of which there are none between two requests) are not
 * mixed up with the answer: the parent speaks only when asked. */
static int ask(uint32_t number, uint32_t what, const void *text, size_t len)
{
	struct wire_need need = {{WIRE_NEED, number}, what, len, ""};
	struct wire_head opened;
	int fd = -1;

	if (len >= sizeof(need.text))
		return -1;
	if (len)
		memcpy(need.text, text, len);
	if (channel__send(WIRE_SOCKET, &need, sizeof(need), -1, CHANNEL_FOREVER) ||
	    channel__receive(WIRE_SOCKET, &opened, sizeof(opened), &fd, CHANNEL_FOREVER) !=
		    sizeof(opened) ||
	    opened.type != WIRE_OPENED)
		_exit(1);
	return fd < 0 && opened.number != WIRE_OPENED_NONE ? -EAGAIN : fd;
}

static size_t ask_memory(void *ctx, const struct wire_range *range, uint8_t *to)
{
	struct wire_need need = {{WIRE_NEED, 0}, WIRE_NEED_MEMORY, sizeof(*range), ""};
	struct wire_memory answer;
	ssize_t len;

	(void)ctx;
	memcpy(need.text, range, sizeof(*range));
	if (channel__send(WIRE_SOCKET, &need, sizeof(need), -1, CHANNEL_FOREVER))
		_exit(1);
	len = channel__receive(WIRE_SOCKET, &answer, sizeof(answer), NULL, CHANNEL_FOREVER);
	if (len < (ssize_t)sizeof(answer.head) || answer.head.type != WIRE_MEMORY ||
	    answer.head.number != len - sizeof(answer.head) || answer.head.number > range->len)
		_exit(1);
	memcpy(to, answer.bytes, answer.head.number);
	return answer.head.number;
}

static int find_debug(void *ctx, uint32_t file, const char *link)
{
	return ask(file, WIRE_NEED_DEBUG, link ?: "", link ? strlen(link) : 0);
}

/* --- unwinding ----------------------------------------------------------------------------- */

static void enter(void *ctx, const struct code_row *row)
{
	struct child *child = ctx;

	*child->blame = row ? row->wire.file : WIRE_BLAME_PROCESS;
	if (row && row->module)
		elf_module__use(row->module, child->requests);
}

#define CODE_LEN  128 /* bytes by which code is recognised */
#define KNOWN_MAX 8   /* answers that are kept while a stack is unwound */

struct looking {
	struct child *child;
	struct child_process *process;
	struct reply *reply;
	struct {
		uint64_t pc;
		bool is_same;
	} known[KNOWN_MAX];
	size_t n_known; /* ever */
	uint64_t taken_ns;
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* CODE_LEN bytes around pc, or as many of them as are code of the file. */
static bool compare(const struct looking *looking, const struct code_row *row, uint64_t pc,
		    const struct code_place *place)
{
	uint64_t before = least(least(pc - row->wire.start, place->before), CODE_LEN / 2);
	uint64_t at = pc - before;
	size_t len = least(least(CODE_LEN, row->wire.end - at), before + place->left);
	uint8_t theirs[CODE_LEN], ours[CODE_LEN];

	return remote__read(&looking->child->remote, at, theirs, len) &&
	       elf_module__read(row->module, place->offset - before, ours, len) == (ssize_t)len &&
	       !memcmp(theirs, ours, len);
}

/* Asked about the same place again and again. What is there may have changed by the next stack. */
static bool is_same(void *ctx, const struct code_row *row, uint64_t pc,
		    const struct code_place *place)
{
	struct looking *looking = ctx;
	size_t i;

	for (i = 0; i < least(looking->n_known, KNOWN_MAX); i++) {
		if (looking->known[i].pc == pc)
			return looking->known[i].is_same;
	}
	i = looking->n_known++ % KNOWN_MAX;
	looking->known[i].pc = pc;
	looking->known[i].is_same = compare(looking, row, pc, place);
	return looking->known[i].is_same;
}

static int open_map(void *ctx)
{
	return ask(((struct looking *)ctx)->process->number, WIRE_NEED_PERF_MAP, NULL, 0);
}

/* What the process's perf map says of the frame. */
static bool is_mapped(struct looking *looking, const struct found_frame *frame, struct symbol *ret)
{
	struct jit *jit = &looking->process->jit;
	struct arena *arena = reply__arena(looking->reply);
	struct jit_question question = {
		.pc = frame->pc,
		.taken_ns = looking->taken_ns,
		.now_ns = clock__boot_ns(),
		.open_map = open_map,
		.ctx = looking,
	};
	const char *name = jit__find(jit, &question);

	/* Code gives way to other code, and more gets its names. */
	if (jit->map && looking->child->found.lasts == STACK_LASTS)
		looking->child->found.lasts = STACK_PASSES;
	if (!name)
		return false;
	if (!v8_name__parse(name, arena, ret))
		/* The map may be read again before this is sent. */
		ret->function = arena__strdup(arena, name);
	return ret->function;
}

static void enter_for(void *ctx, const struct code_row *row)
{
	enter(((struct looking *)ctx)->child, row);
}

static bool made(void *ctx, const struct found_frame *frame, const struct machine *machine,
		 struct copied_stack *stack, struct made_frame *ret)
{
	struct looking *looking = ctx;
	struct hotspot_question question = {
		.map = &looking->process->map,
		.enter = enter_for,
		.ctx = looking,
		.remote = &looking->child->remote,
		.arena = reply__arena(looking->reply),
	};

	return hotspot__frame(&looking->process->hotspot, &question, frame, machine, stack, ret);
}

static bool look(void *ctx, const struct found_frame *frame, const struct made_frame *made_frame,
		 enum caller *ret)
{
	struct looking *looking = ctx;
	struct symbol symbol = {};
	struct made_frame mapped = {.symbols = &symbol, .n = 1};

	if (!frame->module && (!made_frame || !made_frame->n))
		made_frame = is_mapped(looking, frame, &symbol) ? &mapped : NULL;
	return reply__add_frame(looking->reply, looking->child->symbols, frame, made_frame, ret);
}

static enum caller caller_of(void *ctx, const struct found_frame *frame)
{
	struct looking *looking = ctx;

	return reply__caller_of(looking->reply, looking->child->symbols, frame);
}

/* The parent has checked it; a packet that is not as it should be is a mistake of ours. */
static void unwind(struct child *child, const struct wire_unwind *request, size_t len)
{
	struct child_process *process = child_tables__find(&child->tables, request->head.number);
	struct found_stack *found = &child->found;
	struct reply *reply;
	struct looking looking = {
		.child = child, .process = process, .taken_ns = request->taken_ns};
	struct unwind_hooks hooks = {.enter = enter_for,
				     .is_same = is_same,
				     .made = made,
				     .look = look,
				     .caller_of = caller_of,
				     .ctx = &looking};
	const struct mp_stack *stack = &request->stack;
	const struct mp_stack_copy *copy = (const void *)stack->data;
	const struct mp_python *python = stack__python(stack);

	if (len < sizeof(*request) || stack__bytes(stack) != len - sizeof(*request) ||
	    (stack->kind == MP_STACK_COPY && !pieces__are_whole(copy, stack->bytes)) ||
	    (python && !python__is_whole(python, stack->python * sizeof(uint64_t))))
		_exit(1);
	if (!process) {
		struct wire_head stale = {WIRE_STALE, request->head.number};

		channel__send(WIRE_SOCKET, &stale, sizeof(stale), -1, CHANNEL_FOREVER);
		return;
	}
	child_tables__enrich(&child->tables, child->symbols, request->head.number, request->enrich);
	if (child->requests++ % ROOM_EVERY == 0)
		child_tables__make_room(&child->tables, child->symbols, child->memory,
					child->requests > RECENT ? child->requests - RECENT : 0);
	reply = reply__new(process->map.rows);
	if (!reply)
		_exit(1);
	looking.reply = reply;
	remote__begin(&child->remote, request->head.number, request->taken_ns);
	memset(found, 0, sizeof(*found));
	if (stack->kind == MP_STACK_COPY) {
		copied_stack__begin(&found->stack, stack, child->words);
		found->other = &copy->other;
		unwind__copy(&process->map, copy, &hooks, found);
	} else {
		unwind__list(&process->map, (const uint64_t *)stack->data, stack->bytes / 8, &hooks,
			     found);
	}
	if (python && !reply__add_python(reply, found, python))
		found->truncated = true;
	/* Before the answer: it may be killed as soon as that is there. */
	*child->blame = WIRE_BLAME_NOTHING;
	reply__send(reply, WIRE_SOCKET, found);
	reply__free(reply);
}

static int find_python(struct child *child, uint32_t number)
{
	struct wire_python answer = {.head = {WIRE_PYTHON, number}};
	struct elf_module *module = child_tables__file(&child->tables, number);

	if (!module)
		return -EBADMSG;
	*child->blame = number;
	python_layout__find(module, &answer.file);
	*child->blame = WIRE_BLAME_NOTHING;
	return channel__send(WIRE_SOCKET, &answer, sizeof(answer), -1, CHANNEL_FOREVER);
}

/* --- the loop ------------------------------------------------------------------------------ */

static void forget_everything(struct child *child)
{
	child_tables__drop_all(&child->tables, child->symbols);
}

static int handle(struct child *child, size_t len, int fd)
{
	const struct wire_head *head = (const void *)child->packet;

	if (len < sizeof(*head))
		return -EBADMSG;
	switch (head->type) {
	case WIRE_FILE:
		return child_tables__add_file(&child->tables, head->number, fd, find_debug, child);
	case WIRE_DROP_FILE:
		child_tables__drop_file(&child->tables, child->symbols, head->number);
		return 0;
	case WIRE_IMAGE:
		return child_tables__add_rows(&child->tables, (const void *)head, len);
	case WIRE_DROP_PROCESS:
		child_tables__drop_process(&child->tables, head->number);
		return 0;
	case WIRE_FIND_PYTHON:
		return find_python(child, head->number);
	case WIRE_UNWIND:
		unwind(child, (const void *)head, len);
		return 0;
	}
	return -EBADMSG;
}

static int serve(struct child *child)
{
	*child->blame = WIRE_BLAME_NOTHING;
	for (;;) {
		int fd = -1, err;
		ssize_t n;

		n = channel__receive(WIRE_SOCKET, child->packet, sizeof(child->packet), &fd,
				     child_tables__is_empty(&child->tables)
					     ? CHANNEL_FOREVER
					     : clock__boot_ns() + IDLE_NS);
		if (n == -ETIMEDOUT) {
			/* An open file keeps its file system from being unmounted. */
			forget_everything(child);
			continue;
		}
		if (n <= 0)
			return n;
		*child->blame = WIRE_BLAME_PROCESS;
		err = handle(child, n, fd);
		*child->blame = WIRE_BLAME_NOTHING;
		if (err)
			return err;
	}
}

bool child__is_meant(int argc, char **argv)
{
	return argc == 3 && !strcmp(argv[1], WIRE_CHILD);
}

/* The first packet: where to note which file is being read. */
static volatile uint32_t *receive_blame(void)
{
	_cleanup_close_ int fd = -1;
	struct wire_head head;
	volatile uint32_t *blame;

	if (channel__receive(WIRE_SOCKET, &head, sizeof(head), &fd, CHANNEL_FOREVER) !=
		    sizeof(head) ||
	    head.type != WIRE_BLAME)
		return NULL;
	blame = mmap(NULL, sizeof(*blame), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return blame == MAP_FAILED ? NULL : blame;
}

int child__main(int argc, char **argv)
{
	struct child *child;
	uint64_t memory;

	if (number__parse(argv[2], 1, UINT64_MAX, &memory))
		return 1;
	child = calloc(1, sizeof(*child));
	if (!child)
		return 1;
	/* Else it would be "exe", by which it was executed. */
	prctl(PR_SET_NAME, "memprov-symbols");
	child->memory = memory;
	child->remote.fetch = ask_memory;
	child->blame = receive_blame();
	child->symbols = symbols__new(memory / SYMBOLS_SHARE);
	if (!child->blame || !child->symbols || sandbox__enter(WIRE_SOCKET, memory))
		_exit(1);
	/* Without what is run at exit: nothing of it is ours. */
	_exit(serve(child) ? 1 : 0);
}
