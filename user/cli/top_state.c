// SPDX-License-Identifier: BSD-2-Clause
#include "cli/top_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define SCROLL_COLUMNS 16
#define COLUMN_MAX     4096

void top_state__init(struct top_state *state, const struct options *options)
{
	*state = (struct top_state){
		.sort = options->sort,
		.kilobytes = options->kilobytes,
		.height = 1,
	};
}

void top_state__free(struct top_state *state)
{
	top_frame__free(state->frame);
	free(state->rows);
	buf__free(&state->text);
	free(state->lines);
}

pid_t top_state__wants(const struct top_state *state)
{
	enum top_mode mode = state->mode == TOP_HELP ? state->behind : state->mode;

	return mode == TOP_PROCESS ? state->process : 0;
}

/* --- the list --------------------------------------------------------------------------------- */

/* The selected row is on the screen, and no line is left empty that a row could fill. */
static void scroll_to_selected(struct top_state *state)
{
	if (state->selected < state->first)
		state->first = state->selected;
	if (state->selected >= state->first + state->height)
		state->first = state->selected - state->height + 1;
	if (state->first + state->height > state->n)
		state->first = state->n > state->height ? state->n - state->height : 0;
}

static void select_row(struct top_state *state, size_t row)
{
	state->selected = row < state->n ? row : state->n ? state->n - 1 : 0;
	state->selected_pid = state->n ? state->rows[state->selected]->pid : 0;
	scroll_to_selected(state);
}

/* The rows anew; the selection stays with its process, or where it was. */
static void pick(struct top_state *state)
{
	size_t row = state->selected;

	if (!state->frame)
		return;
	state->n = top_frame__pick(state->frame, state->filter, state->sort, state->reverse,
				   state->rows);
	for (size_t i = 0; i < state->n; i++) {
		if (state->rows[i]->pid == state->selected_pid)
			row = i;
	}
	select_row(state, row);
}

int top_state__take_frame(struct top_state *state, struct top_frame *frame)
{
	const struct top_row **rows = calloc(frame->n + 1, sizeof(*rows));

	if (!rows) {
		top_frame__free(frame);
		return -ENOMEM;
	}
	top_frame__compare(frame, state->frame);
	/* The first row is selected until a key moves the selection. */
	if (!state->selected)
		state->selected_pid = 0;
	top_frame__free(state->frame);
	free(state->rows);
	state->frame = frame;
	state->rows = rows;
	pick(state);
	return 0;
}

static size_t up(size_t at, size_t by)
{
	return at > by ? at - by : 0;
}

static void move_selection(struct top_state *state, unsigned key)
{
	size_t at = state->selected;

	switch (key) {
	case TOP_KEY_UP:
		select_row(state, up(at, 1));
		break;
	case TOP_KEY_DOWN:
		select_row(state, at + 1);
		break;
	case TOP_KEY_PAGE_UP:
		select_row(state, up(at, state->height));
		break;
	case TOP_KEY_PAGE_DOWN:
		select_row(state, at + state->height);
		break;
	case TOP_KEY_HOME:
		select_row(state, 0);
		break;
	case TOP_KEY_END:
		select_row(state, SIZE_MAX);
		break;
	}
}

static void sort_by(struct top_state *state, enum top_sort sort)
{
	state->reverse = state->sort == sort && !state->reverse;
	state->sort = sort;
	pick(state);
}

static bool enter_process(struct top_state *state)
{
	if (!state->n)
		return false;
	state->mode = TOP_PROCESS;
	state->process = state->rows[state->selected]->pid;
	snprintf(state->name, sizeof(state->name), "%s", state->rows[state->selected]->comm);
	buf__free(&state->text);
	state->n_lines = state->line = state->column = 0;
	return true;
}

static bool list_key(struct top_state *state, unsigned key)
{
	static const struct {
		char key;
		enum top_sort sort;
	} sorts[] = {{'r', SORT_RSS},	 {'p', SORT_PSS}, {'s', SORT_SWAP}, {'c', SORT_CHANGE},
		     {'g', SORT_GROWTH}, {'i', SORT_PID}, {'n', SORT_NAME}};

	for (size_t i = 0; i < ARRAY_SIZE(sorts); i++) {
		if (key == (unsigned char)sorts[i].key)
			sort_by(state, sorts[i].sort);
	}
	switch (key) {
	case '/':
		state->typing = true;
		break;
	case TOP_KEY_ESCAPE:
		state->filter[0] = '\0';
		pick(state);
		break;
	case TOP_KEY_ENTER:
		return enter_process(state);
	}
	move_selection(state, key);
	return false;
}

/* --- the filter ------------------------------------------------------------------------------- */

static void erase_character(char *text)
{
	size_t len = strlen(text);

	while (len && (text[--len] & 0xc0) == 0x80)
		;
	text[len] = '\0';
}

static void add_character(char text[TOP_FILTER_MAX + 1], unsigned code)
{
	size_t len = strlen(text);
	char bytes[5] = {};

	if (code < 0x80) {
		bytes[0] = code;
	} else if (code < 0x800) {
		bytes[0] = 0xc0 | code >> 6;
		bytes[1] = 0x80 | (code & 0x3f);
	} else if (code < 0x10000) {
		bytes[0] = 0xe0 | code >> 12;
		bytes[1] = 0x80 | (code >> 6 & 0x3f);
		bytes[2] = 0x80 | (code & 0x3f);
	} else {
		bytes[0] = 0xf0 | code >> 18;
		bytes[1] = 0x80 | (code >> 12 & 0x3f);
		bytes[2] = 0x80 | (code >> 6 & 0x3f);
		bytes[3] = 0x80 | (code & 0x3f);
	}
	if (len + strlen(bytes) <= TOP_FILTER_MAX)
		strcpy(text + len, bytes);
}

static void filter_key(struct top_state *state, unsigned key)
{
	switch (key) {
	case TOP_KEY_ENTER:
		state->typing = false;
		return;
	case TOP_KEY_ESCAPE:
		state->typing = false;
		state->filter[0] = '\0';
		break;
	case TOP_KEY_BACKSPACE:
		erase_character(state->filter);
		break;
	default:
		if (key >= TOP_KEY_UP) {
			move_selection(state, key);
			return;
		}
		if (key >= ' ' && key != 0x7f)
			add_character(state->filter, key);
	}
	pick(state);
}

/* --- one process ------------------------------------------------------------------------------ */

static void scroll_text(struct top_state *state, size_t line)
{
	size_t last = state->n_lines > state->height ? state->n_lines - state->height : 0;

	state->line = line < last ? line : last;
}

int top_state__take_text(struct top_state *state, pid_t pid, struct buf *text)
{
	_cleanup_buf_ struct buf mine = *text;
	size_t n = 0;
	char *end;

	*text = (struct buf){};
	if (pid != state->process || !mine.len)
		return 0;
	for (const char *c = mine.data; c && c < mine.data + mine.len; n++) {
		c = memchr(c, '\n', mine.data + mine.len - c);
		c = c ? c + 1 : NULL;
	}
	free(state->lines);
	state->n_lines = 0;
	state->lines = calloc(n + 1, sizeof(*state->lines));
	if (!state->lines)
		return -ENOMEM;
	for (char *c = mine.data; state->n_lines < n; c = end + 1) {
		state->lines[state->n_lines++] = c;
		end = memchr(c, '\n', mine.data + mine.len - c);
		if (!end)
			break;
		*end = '\0';
	}
	buf__free(&state->text);
	state->text = mine;
	mine = (struct buf){};
	scroll_text(state, state->line);
	return 0;
}

/* The next line that begins a section, or the first one again. */
static size_t next_section(const struct top_state *state)
{
	for (size_t i = state->line + 1; i < state->n_lines; i++) {
		if (!strncmp(state->lines[i], "=== ", 4))
			return i;
	}
	return 0;
}

static bool process_key(struct top_state *state, unsigned key)
{
	switch (key) {
	case TOP_KEY_ESCAPE:
	case TOP_KEY_BACKSPACE:
		state->mode = TOP_LIST;
		return true;
	case TOP_KEY_UP:
		scroll_text(state, up(state->line, 1));
		break;
	case TOP_KEY_DOWN:
	case TOP_KEY_ENTER:
		scroll_text(state, state->line + 1);
		break;
	case TOP_KEY_PAGE_UP:
		scroll_text(state, up(state->line, state->height));
		break;
	case TOP_KEY_PAGE_DOWN:
	case ' ':
		scroll_text(state, state->line + state->height);
		break;
	case TOP_KEY_HOME:
		scroll_text(state, 0);
		break;
	case TOP_KEY_END:
		scroll_text(state, SIZE_MAX);
		break;
	case '\t':
		scroll_text(state, next_section(state));
		break;
	case TOP_KEY_LEFT:
		state->column = up(state->column, SCROLL_COLUMNS);
		break;
	case TOP_KEY_RIGHT:
		if (state->column < COLUMN_MAX)
			state->column += SCROLL_COLUMNS;
		break;
	}
	return false;
}

/* --- all -------------------------------------------------------------------------------------- */

void top_state__resize(struct top_state *state, size_t height)
{
	state->height = height ?: 1;
	scroll_to_selected(state);
	scroll_text(state, state->line);
}

bool top_state__key(struct top_state *state, unsigned key)
{
	if (state->mode == TOP_LIST && state->typing) {
		filter_key(state, key);
		return false;
	}
	if (state->mode == TOP_HELP) {
		state->mode = state->behind;
		state->quit = key == 'q';
		return false;
	}
	switch (key) {
	case 'q':
		state->quit = true;
		return false;
	case 'h':
	case '?':
		state->behind = state->mode;
		state->mode = TOP_HELP;
		return false;
	case 'u':
		state->kilobytes = !state->kilobytes;
		return state->mode == TOP_PROCESS;
	case 'k':
		key = TOP_KEY_UP;
		break;
	case 'j':
		key = TOP_KEY_DOWN;
		break;
	}
	return state->mode == TOP_LIST ? list_key(state, key) : process_key(state, key);
}
