// SPDX-License-Identifier: BSD-2-Clause
/* Functions, files and lines of real programs, against binutils: user/symbolize/symbols.c, debuginfo.c,
 * symtab.c, gosymbols.c. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "symbolize/symbols.h"
#include "util/cleanup.h"

#define INLINES "build/workloads/inlines"
#define LINE	8192

/* A file at the addresses that it was linked for. */
struct opened {
	Dwfl *dwfl;
	Dwfl_Module *module;
	struct symbols *symbols;
	struct arena *arena;
};

static char no_path[] = "";
static char *debug_path = no_path; /* only the file itself, and what lies next to it */

static const Dwfl_Callbacks callbacks = {
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.debuginfo_path = &debug_path,
	.section_address = dwfl_offline_section_address,
};

static struct opened opened__open(const char *path)
{
	struct opened file = {.dwfl = dwfl_begin(&callbacks)};

	assert_non_null(file.dwfl);
	dwfl_report_begin(file.dwfl);
	file.module = dwfl_report_elf(file.dwfl, "file", path, -1, 0, true);
	if (!file.module)
		fail_msg("%s: %s", path, dwfl_errmsg(-1));
	dwfl_report_end(file.dwfl, NULL, NULL);
	file.symbols = symbols__new(1 << 20);
	file.arena = arena__new();
	assert_non_null(file.symbols);
	assert_non_null(file.arena);
	return file;
}

static void opened__close(struct opened *file)
{
	symbols__free(file->symbols);
	arena__free(file->arena);
	dwfl_end(file->dwfl);
}

static size_t look_up(struct opened *file, uint64_t pc, const struct symbol **ret)
{
	size_t n;

	assert_int_equal(symbols__lookup(file->symbols, file->module, pc, file->arena, ret, &n), 0);
	return n;
}

/* The innermost function's name, "?" if it is not known. */
static const char *function_at(struct opened *file, uint64_t pc)
{
	const struct symbol *symbols;

	return look_up(file, pc, &symbols) && symbols[0].function ? symbols[0].function : "?";
}

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
	char command[LINE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

static void text_section(struct opened *file, uint64_t *start, uint64_t *end)
{
	Dwarf_Addr bias;
	Elf *elf = dwfl_module_getelf(file->module, &bias);
	Elf_Scn *section = NULL;
	size_t names;

	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		assert_non_null(gelf_getshdr(section, &header));
		if (!strcmp(elf_strptr(elf, names, header.sh_name), ".text")) {
			*start = header.sh_addr + bias;
			*end = *start + header.sh_size;
			return;
		}
	}
	fail_msg("no .text");
}

/* --- against addr2line ------------------------------------------------------------------------ */

static const char *expected_line(FILE *f, char line[LINE])
{
	if (!fgets(line, LINE, f))
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* "file:line (discriminator 3)", "file:?", "??:0". */
static bool same_place(char *expected, const struct symbol *symbol)
{
	char *colon = strrchr(expected, ':'), *end;
	unsigned long line;

	assert_non_null(colon);
	*colon = '\0';
	line = strtoul(colon + 1, &end, 10);
	if (!strcmp(expected, "??"))
		return !symbol->line;
	/* Paths are the compiler's, with "../" as it had them. */
	return line == symbol->line && symbol->file && !strcmp(expected, symbol->file);
}

/* Every `step`-th address of the text, compared with what binutils say of it. Returns how many differ,
 * and counts what was compared. */
static unsigned compare(struct opened *file, const char *path, unsigned step, unsigned *ret_frames,
			unsigned *ret_inlined)
{
	char name[] = "/tmp/test_symbols-XXXXXX", command[LINE], line[LINE], place[LINE];
	_cleanup_file_ FILE *list = NULL;
	uint64_t start = 0, end = 0, pc;
	unsigned different = 0;
	FILE *answers;
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	list = fdopen(fd, "w");
	text_section(file, &start, &end);
	for (pc = start; pc < end; pc += step)
		fprintf(list, "0x%lx\n", pc);
	fflush(list);
	snprintf(command, sizeof(command), "addr2line -a -i -f -C -e %s < %s", path, name);
	answers = popen(command, "r");
	assert_non_null(answers);
	assert_non_null(expected_line(answers, line));
	for (pc = start; pc < end; pc += step) {
		const struct symbol *symbols;
		size_t n = look_up(file, pc, &symbols), i = 0;

		assert_int_equal(strtoull(line, NULL, 16), pc);
		while (expected_line(answers, line) && strncmp(line, "0x", 2)) {
			bool same;

			assert_non_null(expected_line(answers, place));
			same = i < n ? same_place(place, &symbols[i]) &&
					       !strcmp(line, symbols[i].function
								     ? symbols[i].function
								     : "??")
				     : !strcmp(line, "??");
			if (!same && different++ < 20)
				print_message("%s+0x%lx #%zu: addr2line %s at %s, here %s at %s:%u\n",
					      path, pc, i, line, place,
					      i < n ? symbols[i].function : "nothing",
					      i < n ? symbols[i].file : "", i < n ? symbols[i].line : 0);
			*ret_inlined += i < n && symbols[i].inlined;
			*ret_frames += i < n;
			i++;
		}
		if (i < n && different++ < 20)
			print_message("%s+0x%lx: %zu frames more, first %s\n", path, pc, n - i,
				      symbols[i].function);
	}
	pclose(answers);
	unlink(name);
	return different;
}

static void as_addr2line_says(void **state)
{
	struct opened file = opened__open(INLINES);
	unsigned frames = 0, inlined = 0;

	assert_int_equal(compare(&file, INLINES, 3, &frames, &inlined), 0);
	print_message("%u frames compared, %u of them inlined\n", frames, inlined);
	assert_true(frames > 1000 && inlined > 500);
	opened__close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_addr2line_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
