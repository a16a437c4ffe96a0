// SPDX-License-Identifier: BSD-2-Clause
#include "child/debuginfo.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child/demangle.h"
#include "util/cleanup.h"

#define RANGES_MAX (1U << 20) /* of a module's units */
#define DEPTH_MAX  128	      /* scopes within scopes */
#define UNIT_DIES_MAX                                                                              \
	(4U << 20) /* looked at for one pc; a hostile file may have a ring of them                 \
		    */
#define PATH_BYTES 4096

struct unit_range {
	Dwarf_Addr start;
	Dwarf_Addr end;
	Dwarf_Off die; /* of the unit, in .debug_info */
};

struct debuginfo {
	Dwfl_Module *module;
	Dwarf *dwarf; /* NULL: it has none */
	Dwarf_Addr bias;
	bool indexed;
	struct unit_range *ranges;
	size_t n;
	size_t room;
};

/* The function at a pc and what was inlined there, outermost first. */
struct chain {
	Dwarf_Addr pc; /* as the DWARF has it */
	Dwarf_Die dies[SYMBOLS_MAX];
	size_t n;
	unsigned budget; /* DIEs still to be looked at */
};

static void cleanup_info(struct debuginfo **info)
{
	debuginfo__free(*info);
}

int debuginfo__new(Dwfl_Module *module, struct debuginfo **ret)
{
	_cleanup_(cleanup_info) struct debuginfo *info = calloc(1, sizeof(*info));

	if (!info)
		return -ENOMEM;
	info->module = module;
	info->dwarf = dwfl_module_getdwarf(module, &info->bias);
	*ret = take_ptr(info);
	return 0;
}

void debuginfo__free(struct debuginfo *info)
{
	if (!info)
		return;
	free(info->ranges);
	free(info);
}

/* --- units -------------------------------------------------------------------------------------
 */

static int add_range(struct debuginfo *info, Dwarf_Addr start, Dwarf_Addr end, Dwarf_Off die)
{
	if (info->n == info->room) {
		size_t room = info->room ? info->room * 2 : 256;
		struct unit_range *more = reallocarray(info->ranges, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		info->ranges = more;
		info->room = room;
	}
	info->ranges[info->n++] = (struct unit_range){.start = start, .end = end, .die = die};
	return 0;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct unit_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->end > b->end) - (a->end < b->end);
}

static int index_units(struct debuginfo *info)
{
	Dwarf_CU *unit = NULL;
	uint8_t type;
	Dwarf_Die die;

	info->indexed = true;
	while (!dwarf_get_units(info->dwarf, unit, &unit, NULL, &type, &die, NULL)) {
		Dwarf_Addr base, start, end;
		ptrdiff_t next = 0;

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		while (info->n < RANGES_MAX &&
		       (next = dwarf_ranges(&die, next, &base, &start, &end)) > 0) {
			/* A linker that dropped a function leaves its range at 0. */
			int err = start > 0 && start < end
					  ? add_range(info, start, end, dwarf_dieoffset(&die))
					  : 0;

			if (err)
				return err;
		}
	}
	if (info->n)
		qsort(info->ranges, info->n, sizeof(*info->ranges), compare_ranges);
	return 0;
}

/* 1 with the unit's DIE, 0 when there is none, -ENOMEM. */
static int find_unit(struct debuginfo *info, Dwarf_Addr pc, Dwarf_Die *ret)
{
	Dwarf_Addr bias;
	size_t low = 0, high;
	Dwarf_Die *unit = dwfl_module_addrdie(info->module, pc, &bias);

	/* libdwfl takes the nearest one before it, too. */
	if (unit && dwarf_haspc(unit, pc - info->bias) > 0) {
		*ret = *unit;
		return 1;
	}
	if (!info->indexed) {
		int err = index_units(info);

		if (err)
			return err;
	}
	pc -= info->bias;
	high = info->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (info->ranges[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	/* Units do not overlap, but for mistakes of a compiler. */
	for (size_t back = 0; low-- > 0 && back < 16; back++)
		if (info->ranges[low].end > pc)
			return dwarf_offdie(info->dwarf, info->ranges[low].die, ret) ? 1 : 0;
	return 0;
}

/* --- scopes ------------------------------------------------------------------------------------
 */

static bool has_code(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine ||
	       tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
	       tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

/* Where definitions of functions may stand. */
static bool has_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static void add_scope(struct chain *chain, Dwarf_Die *die, int tag)
{
	/* A function within a function (Rust, GNU C, Fortran) is not inlined into it. */
	if (tag == DW_TAG_subprogram)
		chain->n = 0;
	else if (tag != DW_TAG_inlined_subroutine || !chain->n)
		return;
	/* The function itself and the innermost ones stay. */
	if (chain->n == SYMBOLS_MAX) {
		memmove(&chain->dies[1], &chain->dies[2],
			(SYMBOLS_MAX - 2) * sizeof(chain->dies[0]));
		chain->n--;
	}
	chain->dies[chain->n++] = *die;
}

/*
 * Adds the scopes below `parent` that contain the pc. With `everywhere`, also looks into functions
 * that have no code of their own: a nested function's may stand within its abstract parent. libdw's
 * dwarf_getscopes always does that, for every lookup.
 */
static bool walk(struct chain *chain, Dwarf_Die *parent, unsigned depth, bool everywhere)
{
	Dwarf_Die die;
	int err;

	if (depth == DEPTH_MAX || dwarf_child(parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);

		if (!chain->budget)
			return false;
		chain->budget--;
		if (has_code(tag)) {
			if (dwarf_haspc(&die, chain->pc) > 0) {
				add_scope(chain, &die, tag);
				walk(chain, &die, depth + 1, everywhere);
				return true;
			}
			if (everywhere && walk(chain, &die, depth + 1, everywhere))
				return true;
		} else if (has_functions(tag) && walk(chain, &die, depth + 1, everywhere)) {
			return true;
		}
		err = dwarf_siblingof(&die, &die);
	} while (!err);
	return false;
}

/* --- names -------------------------------------------------------------------------------------
 */

static const char *string_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attr));
}

/* NULL in *ret when it has no name; *ret_short when it has no linkage name. 0 or -ENOMEM. */
static int name_of(Dwarf_Die *die, struct arena *arena, const char **ret, bool *ret_short)
{
	const char *linkage = string_of(die, DW_AT_linkage_name);
	char text[DEMANGLE_OUT_MAX];

	if (!linkage)
		linkage = string_of(die, DW_AT_MIPS_linkage_name);
	*ret_short = !linkage;
	if (linkage && demangle__name(linkage, text)) {
		*ret = arena__strdup(arena, text);
		return *ret ? 0 : -ENOMEM;
	}
	*ret = string_of(die, DW_AT_name);
	if (!*ret)
		*ret = linkage;
	return 0;
}

/* Compilers give a relative name to what was compiled with one. */
static int path_of(Dwarf_Die *unit, const char *file, struct arena *arena, const char **ret)
{
	const char *dir;

	*ret = file;
	if (!file || *file == '/')
		return 0;
	dir = string_of(unit, DW_AT_comp_dir);
	/* Of Go it is "." */
	if (!dir || *dir != '/' ||
	    strnlen(dir, PATH_BYTES) + strnlen(file, PATH_BYTES) >= PATH_BYTES)
		return 0;
	*ret = arena__printf(arena, "%s/%s", dir, file);
	return *ret ? 0 : -ENOMEM;
}

/* Where `die` was inlined: file and line of the function around it. */
static int call_site(Dwarf_Die *unit, Dwarf_Die *die, struct arena *arena, struct symbol *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	Dwarf_Word value;
	size_t n;

	if (!dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &value) &&
	    value <= UINT32_MAX)
		ret->line = (uint32_t)value;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &value) ||
	    dwarf_getsrcfiles(unit, &files, &n) || value >= n)
		return 0;
	return path_of(unit, dwarf_filesrc(files, value, NULL, NULL), arena, &ret->file);
}

/* Languages of which ELF symbols say more than the name. */
static bool mangles(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_Rust:
		return true;
	default:
		return false;
	}
}

static int source_line(Dwarf_Die *unit, Dwarf_Addr pc, struct arena *arena, struct symbol *ret)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, pc);
	bool ends = true;
	int number;

	/* Behind the last instruction of a piece of code, libdw still gives the row that ends it.
	 */
	if (!line || dwarf_lineendsequence(line, &ends) || ends)
		return 0;
	if (!dwarf_lineno(line, &number) && number > 0)
		ret->line = (uint32_t)number;
	return path_of(unit, dwarf_linesrc(line, NULL, NULL), arena, &ret->file);
}

int debuginfo__lookup(struct debuginfo *info, Dwarf_Addr pc, struct arena *arena,
		      struct symbol ret[SYMBOLS_MAX], size_t *ret_n, bool *ret_short)
{
	struct chain chain = {.pc = pc - info->bias, .budget = UNIT_DIES_MAX};
	struct symbol symbol = {};
	size_t n = 0;
	Dwarf_Die unit;
	int err;

	*ret_n = 0;
	*ret_short = false;
	if (!info->dwarf)
		return 0;
	err = find_unit(info, pc, &unit);
	if (err <= 0)
		return err;
	if (!walk(&chain, &unit, 0, false))
		walk(&chain, &unit, 0, true);
	err = source_line(&unit, chain.pc, arena, &symbol);
	if (err)
		return err;
	while (chain.n) {
		Dwarf_Die *die = &chain.dies[--chain.n];

		symbol.inlined = chain.n > 0;
		err = name_of(die, arena, &symbol.function, ret_short);
		if (err)
			return err;
		ret[n++] = symbol;
		symbol = (struct symbol){};
		if (chain.n) {
			err = call_site(&unit, die, arena, &symbol);
			if (err)
				return err;
		}
	}
	if (!n && symbol.file)
		ret[n++] = symbol;
	*ret_short = *ret_short && mangles(&unit);
	*ret_n = n;
	return 0;
}
