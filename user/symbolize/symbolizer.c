// SPDX-License-Identifier: BSD-2-Clause
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/glance.h"
#include "symbolize/channel.h"
#include "symbolize/fallback.h"
#include "symbolize/images.h"
#include "symbolize/launch.h"
#include "symbolize/needs.h"
#include "symbolize/wire.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define NSEC_PER_MSEC 1000000

#define RESTARTS_AT_ONCE 3 /* then one a second */
#define FORGIVEN_NS	 (60 * NSEC_PER_SEC)
#define TRIES		 3
#define STARVED_MAX	 4		      /* timeouts more, for want of a CPU */
#define DEATHS_MAX	 2		      /* of the child, at one process */
#define NEEDS_MAX	 (4 * WIRE_FILES_MAX) /* questions for one stack */

struct symbolizer {
	struct symbolizer_config config;
	struct launcher launcher;
	struct launched child;
	struct images *images;
	struct glancer *glancer;
	uint64_t began;	   /* the request */
	uint64_t deadline; /* of the request */
	uint64_t waited;   /* what the child had waited for a CPU before the request */
	unsigned restarts_left;
	uint64_t restarts_since; /* when the last one was given */
	struct symbolizer_stats stats;
	_Alignas(8) uint8_t packet[WIRE_PACKET_MAX];
};

/* --- telling the child --------------------------------------------------------------------- */

static int send_to_child(struct symbolizer *symbolizer, const void *head, size_t head_len,
			 const void *body, size_t body_len, int fd)
{
	if (!symbolizer->child.pid)
		return -EPIPE;
	return channel__send(symbolizer->child.socket, head, head_len, body, body_len, fd,
			     symbolizer->deadline);
}

static int tell_head(struct symbolizer *symbolizer, enum wire_type type, uint32_t number, int fd)
{
	struct wire_head head = {type, number};

	return send_to_child(symbolizer, &head, sizeof(head), NULL, 0, fd);
}

static int tell_file(void *ctx, uint32_t number, int fd)
{
	return tell_head(ctx, WIRE_FILE, number, fd);
}

static int drop_file(void *ctx, uint32_t number)
{
	return tell_head(ctx, WIRE_DROP_FILE, number, -1);
}

static int drop_process(void *ctx, uint32_t number)
{
	return tell_head(ctx, WIRE_DROP_PROCESS, number, -1);
}

static int tell_rows(void *ctx, const struct image *image)
{
	struct symbolizer *symbolizer = ctx;
	struct wire_row rows[WIRE_ROWS_PER_PACKET];
	size_t done = 0;
	int err;

	do {
		struct wire_image head = {
			.head = {WIRE_IMAGE, image->number},
			.first = !done,
		};

		while (head.n < WIRE_ROWS_PER_PACKET && done < image->n)
			rows[head.n++] = image->rows[done++].wire;
		err = send_to_child(symbolizer, &head, sizeof(head), rows, head.n * sizeof(rows[0]),
				    -1);
	} while (!err && done < image->n);
	return err;
}

/* --- its life ------------------------------------------------------------------------------ */

/* The child has died, or must: it took too long, or says what it should not. */
static void end(struct symbolizer *symbolizer, struct image *image)
{
	uint32_t blame = launch__end(&symbolizer->launcher, &symbolizer->child);

	if (blame) {
		images__blame(symbolizer->images, blame);
	} else if (image) {
		image->deaths++;
		image->death_ns = clock__boot_ns();
	}
	images__untell(symbolizer->images);
}

static int start(struct symbolizer *symbolizer)
{
	int err;

	if (launch__has_ended(&symbolizer->child))
		end(symbolizer, NULL);
	if (symbolizer->child.pid)
		return 0;
	if (clock__boot_ns() - symbolizer->restarts_since >= NSEC_PER_SEC) {
		symbolizer->restarts_since = clock__boot_ns();
		if (symbolizer->restarts_left < RESTARTS_AT_ONCE)
			symbolizer->restarts_left++;
	}
	if (!symbolizer->restarts_left)
		return -EAGAIN;
	symbolizer->restarts_left--;
	symbolizer->waited = 0;
	err = launch__start(&symbolizer->launcher, &symbolizer->child);
	if (!err)
		symbolizer->stats.restarts++;
	return err;
}

int symbolizer__new(const struct symbolizer_config *config, struct symbolizer **ret)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));
	struct images_teller teller = {
		.file = tell_file,
		.drop_file = drop_file,
		.drop_process = drop_process,
		.rows = tell_rows,
		.ctx = symbolizer,
	};
	int err = -ENOMEM;

	if (!symbolizer)
		return err;
	symbolizer->config = *config;
	symbolizer->restarts_left = RESTARTS_AT_ONCE;
	symbolizer->images = images__new(config->proc, &teller);
	symbolizer->glancer = glancer__new(config->proc);
	if (symbolizer->images && symbolizer->glancer)
		err = launcher__start(config->child_memory, config->launcher_capabilities,
				      &symbolizer->launcher);
	if (!err)
		err = launch__start(&symbolizer->launcher, &symbolizer->child);
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
	launch__end(&symbolizer->launcher, &symbolizer->child);
	launcher__stop(&symbolizer->launcher);
	images__free(symbolizer->images);
	glancer__free(symbolizer->glancer);
	free(symbolizer);
}

/* --- one stack ----------------------------------------------------------------------------- */

/* What the process has where a file's code belongs; the child gets nothing else of its memory. */
static int answer_code(struct symbolizer *symbolizer, const struct image *image, int pidfd,
		       uint64_t at)
{
	const struct image_row *row = image__row_at(image, at);
	struct wire_code code = {.head.type = WIRE_CODE};
	ssize_t n = -EFAULT;

	if (pidfd >= 0 && row && row->wire.beside && row->wire.end - at >= WIRE_CODE_LEN)
		n = glancer__read(symbolizer->glancer, pidfd, image->tgid, at, code.bytes,
				  sizeof(code.bytes));
	code.head.number = n > 0 ? n : 0;
	return send_to_child(symbolizer, &code, sizeof(code), NULL, 0, -1);
}

static int answer_need(struct symbolizer *symbolizer, const struct image *image, size_t len)
{
	const struct wire_need *need = (const void *)symbolizer->packet;
	_cleanup_close_ int pidfd = -1, fd = -1;
	const struct mounts *mounts = NULL;
	const char *path = NULL;
	uint64_t at;

	if (wire__check_need(need, len))
		return -EBADMSG;
	if (need->what == WIRE_NEED_BUILD_ID || need->what == WIRE_NEED_LINK)
		path = images__name_of(image, need->head.number);
	pidfd = images__open_process(symbolizer->images, image);
	if (need->what == WIRE_NEED_CODE) {
		memcpy(&at, need->text, sizeof(at));
		return answer_code(symbolizer, image, pidfd, at);
	}
	if (pidfd >= 0)
		mounts = images__mounts(symbolizer->images, image, pidfd, symbolizer->began);
	if (mounts)
		fd = needs__open(pidfd, mounts, need, path);
	return tell_head(symbolizer, WIRE_OPENED, pidfd < 0 || fd == -ESRCH, fd);
}

static uint64_t timeout_ns(const struct symbolizer *symbolizer)
{
	return (uint64_t)symbolizer->config.timeout_ms * NSEC_PER_MSEC;
}

static void begin_request(struct symbolizer *symbolizer)
{
	symbolizer->began = clock__boot_ns();
	symbolizer->deadline = symbolizer->began + timeout_ns(symbolizer);
	symbolizer->waited = launch__waited_ns(&symbolizer->child);
}

/* On a busy machine a child that waits for a CPU does not hang, and another one would only have to
 * begin anew. */
static bool is_starved(struct symbolizer *symbolizer)
{
	uint64_t waited = launch__waited_ns(&symbolizer->child), more = 0;
	uint64_t max = STARVED_MAX * timeout_ns(symbolizer);

	if (waited > symbolizer->waited)
		more = waited - symbolizer->waited;
	if (more > max)
		more = max;
	more += symbolizer->began + timeout_ns(symbolizer);
	if (more <= clock__boot_ns())
		return false;
	symbolizer->deadline = more;
	return true;
}

/* 0 with the answer; -ESTALE: the child has let the process go; else it is of no use any more. */
static int receive_answer(struct symbolizer *symbolizer, const struct image *image,
			  struct wire_reading *reading)
{
	const struct wire_head *head = (const void *)symbolizer->packet;
	size_t needs = 0;

	for (;;) {
		ssize_t n =
			channel__receive(symbolizer->child.socket, symbolizer->packet,
					 sizeof(symbolizer->packet), NULL, symbolizer->deadline);
		int err;

		if (n == -ETIMEDOUT && is_starved(symbolizer))
			continue;
		if (n < (ssize_t)sizeof(*head))
			return n < 0 ? n : -EPIPE;
		if (head->type == WIRE_STALE)
			return -ESTALE;
		if (head->type == WIRE_NEED) {
			err = ++needs > NEEDS_MAX ? -EBADMSG : answer_need(symbolizer, image, n);
			if (err)
				return err;
			continue;
		}
		err = wire__read_answer(reading, symbolizer->packet, n);
		if (err <= 0)
			return err;
	}
}

static int ask_child(struct symbolizer *symbolizer, const struct unwind_request *request,
		     const struct image *image, struct arena *arena, struct unwound *ret,
		     bool *ret_strayed)
{
	const struct mp_stack *stack = request->stack;
	struct wire_unwind head = {{WIRE_UNWIND, image->number}, stack->kind, stack->bytes};
	struct wire_reading reading = {
		.arena = arena,
		.modules = image->names,
		.n_modules = image->n,
	};
	int err;

	if (stack->kind == MP_STACK_COPY) {
		reading.copy = stack->data + sizeof(struct mp_stack_copy);
		reading.copy_len = stack->bytes - sizeof(struct mp_stack_copy);
	}
	err = send_to_child(symbolizer, &head, sizeof(head), stack->data, stack->bytes, -1);
	err = err ?: receive_answer(symbolizer, image, &reading);
	if (err)
		return err;
	*ret = (struct unwound){
		.source = reading.n_frames ? reading.source : STACK_SOURCE_NONE,
		.truncated = reading.truncated,
		.frames = reading.frames,
		.n = reading.n_frames,
		.words = reading.words,
		.n_words = reading.n_words,
		.map_read_ns = image->read_ns,
	};
	*ret_strayed = reading.strayed;
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
	size_t max = sizeof(struct mp_stack_copy) + MP_STACK_MAX;

	if (stack->bytes % 8 || stack->bytes > max)
		return false;
	if (stack->kind == MP_STACK_COPY)
		return stack->bytes >= sizeof(struct mp_stack_copy);
	return stack->kind == MP_STACK_FP;
}

/* The child has died of it more than once; not for ever, because memory may have been short. */
static bool is_deadly(const struct image *image)
{
	return image->deaths >= DEATHS_MAX && clock__boot_ns() - image->death_ns < FORGIVEN_NS;
}

static int unwind(struct symbolizer *symbolizer, const struct unwind_request *request,
		  struct arena *arena, struct unwound *ret)
{
	struct image *image = NULL;
	int err = 0, started = 0;
	bool strayed = false;

	/* Again when the child has forgotten everything, being idle, or when the map has changed.
	 */
	for (int i = 0; i < TRIES; i++) {
		started = start(symbolizer);
		err = images__get(symbolizer->images, request->tgid, request->start_ticks,
				  request->map_since_ns, request->visitor, &image);
		if (err && err != -ECOMM)
			return err;
		if (err || started || is_deadly(image))
			break;
		err = ask_child(symbolizer, request, image, arena, ret, &strayed);
		if (!err && strayed && i < TRIES - 1 &&
		    images__refresh(image, request->taken_ns, request->code_added_ns))
			continue;
		if (!err)
			return keep_modules(arena, ret);
		if (err != -ESTALE)
			break;
		images__untell(symbolizer->images);
	}
	if (err && !started)
		end(symbolizer, image);
	return fallback__unwind(image, request->stack, arena, ret);
}

int symbolizer__unwind(struct symbolizer *symbolizer, const struct unwind_request *request,
		       struct arena *arena, struct unwound *ret)
{
	struct unwound unwound = {};
	int err;

	if (!is_whole(request->stack))
		return -EINVAL;
	begin_request(symbolizer);
	err = unwind(symbolizer, request, arena, &unwound);
	if (err)
		return err;
	symbolizer->stats.unwound++;
	symbolizer->stats.truncated += unwound.truncated;
	*ret = unwound;
	return 0;
}

void symbolizer__forget(struct symbolizer *symbolizer, pid_t tgid, uint64_t start_ticks)
{
	begin_request(symbolizer);
	images__forget(symbolizer->images, tgid, start_ticks);
}

void symbolizer__stats(struct symbolizer *symbolizer, struct symbolizer_stats *ret)
{
	*ret = symbolizer->stats;
	ret->maps_read = images__maps_read(symbolizer->images);
}
