// SPDX-License-Identifier: BSD-2-Clause
/*
 * All that is shown came through util/text.h, and goes to the terminal by ncurses as wide
 * characters, so a name can neither steer it nor shift what is behind it.
 */
#include "cli/top_screen.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Its macros must not shadow what is ours, and the wide functions must be there. */
#define NCURSES_NOMACROS       1
#define NCURSES_WIDECHAR       1
#define _XOPEN_SOURCE_EXTENDED 1
#include <curses.h>

#include "cli/sparkline.h"
#include "util/cleanup.h"
#include "util/text.h"
#include "util/utf8.h"

#define ESCAPE_MS    25
#define LINE_MAX_LEN 1024
#define ABOVE_LIST   3 /* summary, message, headings */
#define ABOVE_TEXT   2
#define BELOW	     1

/* --- its life --------------------------------------------------------------------------------- */

int screen__open(void)
{
	/* For how wide characters are. Where it is not UTF-8, what is not ASCII becomes '?'. */
	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin))
		return -ENOTTY;
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl(); /* Enter is told from ^J, and lines end faster */
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	return 0;
}

void screen__close(void)
{
	if (!stdscr || isendwin())
		return;
	endwin();
}

void screen__leave(void)
{
	endwin();
}

void screen__resize(void)
{
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	/* Some terminals reflow what they show. */
	clearok(stdscr, TRUE);
}

size_t screen__height(const struct top_state *state)
{
	int taken = (state->mode == TOP_PROCESS ? ABOVE_TEXT : ABOVE_LIST) + BELOW;

	return LINES > taken ? LINES - taken : 1;
}

/* --- drawing ---------------------------------------------------------------------------------- */

/* The columns of text from `skip` on, as many as fit into ret; its length. */
static size_t to_wide(const char *text, size_t len, size_t skip, wchar_t *ret, size_t columns)
{
	size_t column = 0, n = 0;
	uint32_t code;
	int width;

	for (size_t i = 0; i < len && n < LINE_MAX_LEN - 1;) {
		i += utf8__decode(text + i, len - i, &code);
		width = code == UTF8_INVALID ? -1 : wcwidth((wchar_t)code);
		if (width < 0) {
			code = '?';
			width = 1;
		}
		if (column + width > skip + columns)
			break;
		if (column >= skip && (width || n))
			ret[n++] = (wchar_t)code;
		column += width;
	}
	ret[n] = L'\0';
	return n;
}

static void put_line(int row, attr_t attributes, const char *text, size_t skip)
{
	_cleanup_buf_ struct buf shown = {};
	wchar_t wide[LINE_MAX_LEN];
	size_t n;

	if (row < 0 || row >= LINES)
		return;
	text__show(&shown, text);
	n = to_wide(shown.data ?: "", shown.len, skip, wide, COLS);
	wmove(stdscr, row, 0);
	wattrset(stdscr, (int)attributes);
	wclrtoeol(stdscr);
	if (attributes & A_REVERSE)
		whline(stdscr, ' ' | attributes, COLS);
	waddnwstr(stdscr, wide, (int)n);
	wattrset(stdscr, A_NORMAL);
}

/* A terminal without these characters has '?' for each. */
static bool shows_trends(const struct top_state *state)
{
	return state->frame && top_frame__has_room(state->frame, COLS) && wcwidth(L'▁') == 1;
}

static void draw_list(const struct top_state *state)
{
	const struct top_layout layout = {
		.unit = state->kilobytes ? UNIT_KB : UNIT_MB,
		.trend = shows_trends(state),
	};
	_cleanup_buf_ struct buf headings = {};

	top_frame__headings(state->frame, state->sort, &layout, &headings);
	put_line(ABOVE_LIST - 1, A_BOLD, headings.data ?: "", 0);
	for (size_t i = 0; i < state->height && state->first + i < state->n; i++) {
		size_t at = state->first + i;
		_cleanup_buf_ struct buf line = {};

		top_frame__line(state->frame, state->rows[at], &layout, &line);
		put_line(ABOVE_LIST + (int)i, at == state->selected ? A_REVERSE : A_NORMAL,
			 line.data ?: "", 0);
	}
	if (!state->frame)
		put_line(ABOVE_LIST, A_NORMAL, "reading all processes…", 0);
	else if (!state->n)
		put_line(ABOVE_LIST, A_NORMAL,
			 *state->filter ? "no process matches the filter; Esc clears it"
					: "no process can be read",
			 0);
}

static void draw_process(const struct top_state *state)
{
	char line[64];

	if (!state->n_lines) {
		snprintf(line, sizeof(line), "reading process %d…", state->process);
		put_line(ABOVE_TEXT, A_NORMAL, line, 0);
	}
	for (size_t i = 0; i < state->height && state->line + i < state->n_lines; i++) {
		const char *text = state->lines[state->line + i];

		put_line(ABOVE_TEXT + (int)i, *text == '=' ? A_BOLD : A_NORMAL, text,
			 state->column);
	}
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"Columns",
		"  RSS      resident memory; what processes share counts in each",
		"  PSS      the same, each shared page divided by the number of its users",
		"  SWAP     swapped out",
		"  HUGETLB  huge pages of hugetlbfs, not in RSS; only where there are some",
		"  CHANGE   of RSS since the frame before",
		"  GROWTH   of RSS since memprov saw the program first",
		"  AGE      of the figures: the larger a process, the less often it is read",
		"  TREND    RSS of the last hour, up to its largest; blank where it is not known.",
		"           Needs a wide terminal, and a daemon for its history",
		"Processes",
		"  Up Down PgUp PgDn Home End, j k   select one",
		"  Enter            its memory: breakdown, regions, call sites with their stacks",
		"  r p s c g i n    sort by RSS, PSS, swap, change, growth, PID, name",
		"                   the same key again: the other way round",
		"  /                filter by name or PID; Enter keeps it, Esc clears it",
		"  u                MB or kB; q: end",
		"One process",
		"  Up Down PgUp PgDn Home End, j k, Space   scroll; Left Right: sideways",
		"  Tab: to the next section; Esc: back to the processes",
		"Any key ends this help.",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		put_line(ABOVE_TEXT + (int)i, A_NORMAL, lines[i], 0);
}

static void draw_bottom(const struct top_state *state)
{
	char line[TOP_FILTER_MAX + 64];

	if (state->mode == TOP_PROCESS)
		snprintf(line, sizeof(line),
			 "%zu of %zu lines   Esc back  Tab section  ? help  q end",
			 state->line + state->height < state->n_lines ? state->line + state->height
								      : state->n_lines,
			 state->n_lines);
	else if (state->typing)
		snprintf(line, sizeof(line), "/%s_", state->filter);
	else if (*state->filter)
		snprintf(line, sizeof(line), "filter: %s   Esc clears it  Enter memory  ? help",
			 state->filter);
	else
		snprintf(line, sizeof(line), "Enter memory  / filter  r c g … sort  ? help  q end");
	put_line(LINES - 1, A_REVERSE, line, 0);
}

void screen__draw(const struct top_state *state, const struct screen_texts *texts)
{
	_cleanup_buf_ struct buf summary = {};

	werase(stdscr);
	buf__puts(&summary, texts->summary);
	if (state->mode == TOP_LIST && shows_trends(state)) {
		buf__puts(&summary, "  ");
		sparkline__add(&summary, state->frame->trend, TOP_TREND);
	}
	put_line(0, A_BOLD, summary.data ?: "", 0);
	put_line(1, A_NORMAL, texts->message, 0);
	if (state->mode == TOP_HELP)
		draw_help();
	else if (state->mode == TOP_PROCESS)
		draw_process(state);
	else
		draw_list(state);
	draw_bottom(state);
	wrefresh(stdscr);
}

/* --- keys ------------------------------------------------------------------------------------- */

static unsigned special_key(wint_t code)
{
	static const struct {
		wint_t code;
		unsigned key;
	} keys[] = {
		{KEY_UP, TOP_KEY_UP},	      {KEY_DOWN, TOP_KEY_DOWN},
		{KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
		{KEY_HOME, TOP_KEY_HOME},     {KEY_END, TOP_KEY_END},
		{KEY_LEFT, TOP_KEY_LEFT},     {KEY_RIGHT, TOP_KEY_RIGHT},
		{KEY_ENTER, TOP_KEY_ENTER},   {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].code == code)
			return keys[i].key;
	}
	return 0;
}

bool screen__key(unsigned *ret)
{
	wint_t code;

	switch (wget_wch(stdscr, &code)) {
	case KEY_CODE_YES:
		*ret = special_key(code);
		return true;
	case OK:
		*ret = code == '\r' || code == '\n'   ? TOP_KEY_ENTER
		       : code == 0x1b		      ? TOP_KEY_ESCAPE
		       : code == 0x7f || code == '\b' ? TOP_KEY_BACKSPACE
						      : code;
		return true;
	}
	return false;
}
