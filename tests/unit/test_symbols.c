// SPDX-License-Identifier: BSD-2-Clause
/* Functions, files and lines of real programs, against binutils: user/child/symbols.c,
 * debuginfo.c, symtab.c, gosymbols.c. */
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

#include "child/demangle.h"
#include "child/symbols.h"
#include "util/cleanup.h"

#ifdef __aarch64__
#define MACHINE "aarch64"
#else
#define MACHINE "x86_64"
#endif
#define INLINES "build/workloads/inlines"
#define LIBC	"/lib/" MACHINE "-linux-gnu/libc.so.6"
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

struct compared {
	unsigned frames;    /* equal */
	unsigned inlined;   /* of these */
	unsigned different; /* must be 0 */
	unsigned guesses;   /* of addr2line */
};

/* Without the line break; false at the end. */
static bool next_line(FILE *f, char line[LINE])
{
	if (!fgets(line, LINE, f))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* "file:line (discriminator 3)" → file and line; "file:?" and "??:0" → 0. */
static unsigned long split(char *place)
{
	char *colon = strrchr(place, ':');

	assert_non_null(colon);
	*colon = '\0';
	return strtoul(colon + 1, NULL, 10);
}

/* Where addr2line has no line, it names the last symbol before, also when that has ended there. */
static bool may_be_guessed(const char *function, unsigned long line, const struct symbol *symbol)
{
	size_t len = strlen(function);

	if (!line && strcmp(function, "??"))
		return !symbol || !symbol->function || !strcmp(symbol->function, function);
	/* The line of the last function goes on through the gap. */
	if (!symbol)
		return true;
	/* Go's own table has the gaps between functions, too. */
	if (!strcmp(function, "??"))
		return !symbol->line;
	/* Of a local class, which has no linkage names in the DWARF, binutils have the short name,
	 * or for what was inlined the function around it. */
	if (line == symbol->line && symbol->function &&
	    (symbol->inlined ? !strchr(symbol->function, '(')
			     : strstr(symbol->function, function) && !strchr(function, '(')))
		return true;
	/* Go's assembly has another name for the linker. */
	if (len > 5 && !strcmp(function + len - 5, ".abi0"))
		return symbol->function && !strncmp(function, symbol->function, len - 5);
	/* At the very beginning of a part that was moved away, it takes the symbol of that part. */
	return symbol && symbol->line == line && len > 5 && !strcmp(function + len - 5, ".cold");
}

static void compare_frame(struct compared *compared, uint64_t pc, const char *function, char *place,
			  const struct symbol *symbol)
{
	unsigned long line = split(place);
	char text[DEMANGLE_OUT_MAX];

	/* Not by the tool: LLVM writes lambdas in another way. */
	if (demangle__name(function, text))
		function = text;
	if (symbol && symbol->function && line && line == symbol->line && symbol->file &&
	    !strcmp(function, symbol->function) && !strcmp(place, symbol->file)) {
		compared->frames++;
		compared->inlined += symbol->inlined;
	} else if (may_be_guessed(function, line, symbol)) {
		compared->guesses++;
	} else if (compared->different++ < 20) {
		print_message("0x%lx: addr2line %s at %s:%lu, here %s at %s:%u\n", pc, function,
			      place, line, symbol ? symbol->function : "nothing",
			      symbol ? symbol->file : "", symbol ? symbol->line : 0);
	}
}

/* Opens addr2line's answers for every `step`-th address of the text. */
static FILE *ask_addr2line(const char *tool, struct opened *file, const char *path, unsigned step,
			   uint64_t *ret_start, uint64_t *ret_end)
{
	char name[] = "/tmp/test_symbols-XXXXXX", command[LINE];
	int fd = mkstemp(name);
	FILE *list, *answers;

	assert_true(fd >= 0);
	list = fdopen(fd, "w");
	text_section(file, ret_start, ret_end);
	for (uint64_t pc = *ret_start; pc < *ret_end; pc += step)
		fprintf(list, "0x%lx\n", pc);
	fclose(list);
	snprintf(command, sizeof(command), "%s -a -i -f -e %s < %s && rm %s", tool, path, name,
		 name);
	answers = popen(command, "r");
	assert_non_null(answers);
	return answers;
}

/* What `file` says of its text, against what addr2line says of the file at `path`. */
static struct compared compare(const char *tool, struct opened *file, const char *path,
			       unsigned step)
{
	struct compared compared = {};
	char line[LINE], place[LINE];
	uint64_t start, end;
	FILE *answers = ask_addr2line(tool, file, path, step, &start, &end);

	assert_true(next_line(answers, line));
	for (uint64_t pc = start; pc < end; pc += step) {
		const struct symbol *symbols;
		size_t n = look_up(file, pc, &symbols), i = 0;

		assert_int_equal(strtoull(line, NULL, 16), pc);
		while (next_line(answers, line) && strncmp(line, "0x", 2)) {
			assert_true(next_line(answers, place));
			compare_frame(&compared, pc, line, place, i < n ? &symbols[i] : NULL);
			i++;
		}
		if (i < n && compared.different++ < 20)
			print_message("0x%lx: %zu frames more\n", pc, n - i);
	}
	assert_int_equal(pclose(answers), 0);
	print_message("%s: %u frames equal, %u of them inlined, %u guessed by addr2line\n", path,
		      compared.frames, compared.inlined, compared.guesses);
	return compared;
}

static void compare_all(const char *tool, const char *path, unsigned step)
{
	struct opened file = opened__open(path);
	struct compared compared = compare(tool, &file, path, step);

	assert_int_equal(compared.different, 0);
	assert_true(compared.frames > 4000 && compared.inlined > 2000);
	assert_true(compared.guesses < compared.frames / 10);
	opened__close(&file);
}

static void as_addr2line_says(void **state)
{
	compare_all("addr2line", INLINES, 5);
}

/* Clang writes no .debug_aranges, and puts definitions within their namespaces. (binutils 2.40 miss
 * functions that clang and Go inlined, so LLVM has the word there.) */
static void other_compilers(void **state)
{
	const char *dir = *state;
	static const char *const flags[] = {"-gdwarf-5", "-gdwarf-4"};
	char path[256];

	snprintf(path, sizeof(path), "%s/clang", dir);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		run("clang++ -std=gnu++17 -O2 %s -o %s tests/workloads/inlines.cc", flags[i], path);
		compare_all("llvm-addr2line", path, 3);
	}
	snprintf(path, sizeof(path), "%s/gcc", dir);
	run("g++ -std=gnu++17 -O2 -gdwarf-4 -o %s tests/workloads/inlines.cc", path);
	compare_all("addr2line", path, 7);
}

/* --- stripped files --------------------------------------------------------------------------- */

static uint64_t address_of(const char *path, const char *name)
{
	char command[LINE], line[LINE];
	uint64_t address;
	FILE *nm;

	snprintf(command, sizeof(command), "nm -C %s | grep -E ' [tTwWiI] %s$'", path, name);
	nm = popen(command, "r");
	assert_non_null(nm);
	if (!next_line(nm, line))
		fail_msg("%s has no %s", path, name);
	address = strtoull(line, NULL, 16);
	pclose(nm);
	return address;
}

static void stripped_has_few_names(void **state)
{
	const char *dir = *state;
	uint64_t throws = address_of(INLINES, "throws.int.");
	struct opened file;
	char path[256];

	snprintf(path, sizeof(path), "%s/stripped", dir);
	run("strip -o %s " INLINES, path);
	file = opened__open(path);
	assert_string_equal(function_at(&file, throws), "?");
	opened__close(&file);
}

static void debug_link(void **state)
{
	const char *dir = *state;
	struct compared compared;
	struct opened file;
	char path[256];

	snprintf(path, sizeof(path), "%s/linked", dir);
	run("objcopy --only-keep-debug " INLINES " %s.debug", path);
	run("strip -o %s " INLINES, path);
	run("objcopy --add-gnu-debuglink=%s.debug %s", path, path);
	file = opened__open(path);
	compared = compare("addr2line", &file, INLINES, 31);
	assert_int_equal(compared.different, 0);
	assert_true(compared.inlined > 200);
	opened__close(&file);
}

/* As `info gdb MiniDebugInfo` makes it. */
static void mini_debug_info(void **state)
{
	const char *dir = *state;
	static const char *const functions[] = {"throws.int.", "main", "plain_c",
						"store::walk.*unsigned int."};
	struct opened file;
	char path[256];

	snprintf(path, sizeof(path), "%s/mini", dir);
	run("nm " INLINES " --format=posix --defined-only | awk '$2 ~ /^[tTwW]$/ {print $1}' > "
	    "%s.keep",
	    path);
	run("objcopy -S --remove-section .comment --keep-symbols=%s.keep " INLINES " %s.syms", path,
	    path);
	run("rm -f %s.syms.xz; xz %s.syms; strip -o %s " INLINES, path, path, path);
	run("objcopy --add-section .gnu_debugdata=%s.syms.xz %s", path, path);
	file = opened__open(path);
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		uint64_t start = address_of(INLINES, functions[i]);
		const char *name = function_at(&file, start + 3);

		if (!strstr(name, strtok(strdupa(functions[i]), ".")))
			fail_msg("%s is called %s", functions[i], name);
		assert_ptr_not_equal(name, function_at(&file, start - 1));
	}
	opened__close(&file);
}

/* What symbols without a size, labels and gaps may answer for. */
static void labels(void **state)
{
	const char *dir = *state;
	static const char source[] =
		".globl sized, bare, weak_alias, _alias, exported\n"
		".type sized, @function; .type bare, @function; .type inner, @notype\n"
		".type exported, @function; .type _alias, @function; .type weak_alias, @function\n"
		".type mapped, @function; .weak weak_alias\n"
		".text\n"
		"sized: .fill 8, 1, 0x90; inner: .fill 8, 1, 0x90; .size sized, 16\n"
		".fill 16, 1, 0x90\n"					 /* 16: a gap */
		"bare: .fill 16, 1, 0x90\n"				 /* 32 */
		"$x: local_label: .fill 16, 1, 0x90\n"			 /* 48 */
		"exported: _alias: weak_alias: aaa: .fill 16, 1, 0x90\n" /* 64 */
		".size exported, 16; .size _alias, 16; .size weak_alias, 16\n"
		".fill 16, 1, 0x90\n" /* 80: a gap behind aliases one of which has no size */
		"\"versioned@@V_1\": .fill 16, 1, 0x90\n"      /* 96 */
		".section .other, \"ax\"; .fill 16, 1, 0x90\n" /* 112: another section */
		".data; data_label: .fill 64\n";
	static const struct {
		unsigned offset;
		const char *name;
	} cases[] = {
		{0, "sized"},	     {8, "sized"},	{15, "sized"},	    {16, "?"},
		{31, "?"},	     {32, "bare"},	{47, "bare"},	    {48, "local_label"},
		{63, "local_label"}, {64, "exported"},	{79, "exported"},   {80, "?"},
		{95, "?"},	     {96, "versioned"}, {111, "versioned"}, {112, "?"},
	};
	struct opened file;
	char path[256];
	uint64_t start, end;
	FILE *f;

	snprintf(path, sizeof(path), "%s/labels.s", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(source, f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/labels", dir);
	run("as -o %s.o %s.s && ld -shared --unique -o %s %s.o 2>/dev/null", path, path, path,
	    path);
	file = opened__open(path);
	text_section(&file, &start, &end);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *name = function_at(&file, start + cases[i].offset);

		if (strcmp(name, cases[i].name))
			fail_msg("+%u is called %s, not %s", cases[i].offset, name, cases[i].name);
	}
	opened__close(&file);
	/* Without its static functions, a table cannot tell where a label ends. */
	run("strip %s", path);
	file = opened__open(path);
	assert_string_equal(function_at(&file, start + 8), "sized");
	assert_string_equal(function_at(&file, start + 40), "?");
	opened__close(&file);
}

/* Of the C library without debug information: one of the names at that address, the one that people
 * know, and none behind its end. */
static void names_of_the_c_library(void **state)
{
	static const char *const known[] = {
		"malloc", "calloc",   "realloc", "free",	   "mmap", "sbrk", "brk",
		"puts",	  "memalign", "mremap",	 "pthread_create", "fork", "read"};
	char line[LINE], names[LINE] = "";
	struct opened file;
	unsigned n = 0;
	FILE *nm;

	nm = popen("nm -D -S --defined-only " LIBC " | "
		   "awk '$3 ~ /^[TWti]$/ {print $1, $2, $4}'",
		   "r");
	assert_non_null(nm);
	assert_true(next_line(nm, line)); /* of a libc that is linked dynamically */
	file = opened__open(LIBC);
	do {
		unsigned long start, size;
		const char *name;

		assert_int_equal(sscanf(line, "%lx %lx %s", &start, &size, names), 3);
		names[strcspn(names, "@")] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
			if (strcmp(known[i], names))
				continue;
			n++;
			assert_string_equal(function_at(&file, start), names);
			assert_string_equal(function_at(&file, start + size - 1), names);
		}
		name = function_at(&file, start + size);
		if (!strcmp(name, names))
			fail_msg("%s does not end", names);
	} while (next_line(nm, line));
	pclose(nm);
	assert_true(n >= ARRAY_SIZE(known));
	opened__close(&file);
}

/* --- Go --------------------------------------------------------------------------------------- */

#define GO_STRIPPED "build/workloads/grower.go"
#define GO_FULL	    "build/workloads/grower.go-full"

/* Go's own table has "[...]" for all type parameters. */
static bool same_go_name(const char *full, const char *name)
{
	const char *dots = strstr(name, "[...]");
	size_t n = dots ? (size_t)(dots - name) : strlen(name);

	return !strncmp(full, name, n) && (dots ? full[n] == '[' : !full[n]);
}

/* The stripped program against the DWARF of the other: the outermost function, the innermost line.
 */
static void go_stripped(void **state)
{
	struct opened stripped = opened__open(GO_STRIPPED), full = opened__open(GO_FULL);
	unsigned n = 0, lines = 0, inlined = 0;
	uint64_t start, end;

	text_section(&full, &start, &end);
	for (uint64_t pc = start; pc < end; pc += 61) {
		const struct symbol *known, *symbol;
		size_t n_known = look_up(&full, pc, &known),
		       n_got = look_up(&stripped, pc, &symbol);
		const struct symbol *outer = &known[n_known - 1];

		/* Of Go's assembly, the DWARF has the line and the ELF symbol the name. */
		if (!n_known || !outer->function || !known[0].line ||
		    strstr(known[0].file, "<autogenerated>"))
			continue;
		assert_int_equal(n_got, 1);
		if (!same_go_name(outer->function, symbol->function))
			fail_msg("0x%lx is %s, not %s", pc, outer->function, symbol->function);
		n++;
		if (!symbol->file || strcmp(known[0].file, symbol->file) ||
		    known[0].line != symbol->line)
			print_message("0x%lx %s: %s:%u, not %s:%u\n", pc, outer->function,
				      known[0].file, known[0].line, symbol->file, symbol->line);
		else
			lines++;
		inlined += known[0].inlined;
	}
	print_message("%u functions, %u lines equal, %u were inlined\n", n, lines, inlined);
	assert_true(n > 5000 && inlined > 100);
	assert_int_equal(lines, n);
	assert_string_equal(function_at(&stripped, address_of(GO_FULL, "main...Arena..Grow") + 9),
			    "main.(*Arena).Grow");
	assert_string_equal(function_at(&stripped, start - 1), "?");
	assert_string_equal(function_at(&stripped, end + 64), "?");
	opened__close(&stripped);
	opened__close(&full);
}

static void go_with_dwarf(void **state)
{
	compare_all("llvm-addr2line", GO_FULL, 37);
}

/* --- the cache -------------------------------------------------------------------------------- */

static void answers_are_kept(void **state)
{
	struct opened file = opened__open(INLINES);
	struct symbols *small = symbols__new(4096);
	const struct symbol *first, *again;
	struct symbols_stats stats;
	size_t n, n_again;
	uint64_t start, end;

	text_section(&file, &start, &end);
	n = look_up(&file, start + 1, &first);
	n_again = look_up(&file, start + 1, &again);
	symbols__stats(file.symbols, &stats);
	assert_int_equal(stats.hits, 1);
	assert_int_equal(stats.misses, 1);
	assert_int_equal(n, n_again);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(first[i].function, again[i].function);

	/* What a module said is not said of the next one. */
	symbols__forget(file.symbols, file.module);
	look_up(&file, start + 1, &again);
	symbols__stats(file.symbols, &stats);
	assert_int_equal(stats.hits, 1);

	assert_non_null(small);
	for (uint64_t pc = start; pc < end; pc += 5)
		assert_int_equal(
			symbols__lookup(small, file.module, pc, file.arena, &again, &n_again), 0);
	symbols__stats(small, &stats);
	assert_true(stats.entries > 0 && stats.bytes <= 4096);
	symbols__free(small);
	symbols__free(NULL);
	opened__close(&file);
}

static int make_dir(void **state)
{
	static char dir[] = "/tmp/test_symbols-dir-XXXXXX";

	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	run("rm -r %s", (const char *)*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_addr2line_says),	  cmocka_unit_test(other_compilers),
		cmocka_unit_test(stripped_has_few_names), cmocka_unit_test(debug_link),
		cmocka_unit_test(mini_debug_info),	  cmocka_unit_test(labels),
		cmocka_unit_test(names_of_the_c_library), cmocka_unit_test(go_stripped),
		cmocka_unit_test(go_with_dwarf),	  cmocka_unit_test(answers_are_kept),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
