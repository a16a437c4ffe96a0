// SPDX-License-Identifier: BSD-2-Clause
#include "child/symtab.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Symbols may lie within each other, but a file in which thousands do is not worth a search. */
#define NESTED_MAX 64

struct entry {
	Dwarf_Addr start;
	Dwarf_Addr end; /* behind it */
	/* The highest end of this and all entries before it: where to stop going back. */
	Dwarf_Addr reach;
	const char *name;
	bool sized;
	unsigned char type;
	unsigned char binding;
};

struct symtab {
	struct entry *entries;
	size_t n;
	size_t room;
	bool locals;	/* it has functions that are not exported */
	bool truncated; /* SYMTAB_MAX */
};

/* Where the section ends, if it has code; else 0. */
static Dwarf_Addr code_end(Elf *elf, GElf_Word index, Dwarf_Addr bias)
{
	Elf_Scn *section = elf_getscn(elf, index);
	GElf_Shdr header;

	if (!section || !gelf_getshdr(section, &header) || !(header.sh_flags & SHF_EXECINSTR))
		return 0;
	return header.sh_addr + bias + header.sh_size;
}

static bool is_name(const char *name, unsigned char type)
{
	if (!name || !*name)
		return false;
	/* Mapping symbols of ARM and RISC-V, which tell code from data. */
	return !(type == STT_NOTYPE && name[0] == '$');
}

static int add(struct symtab *symtab, const struct entry *entry)
{
	if (symtab->n == symtab->room) {
		size_t room = symtab->room ? symtab->room * 2 : 1024;
		struct entry *more = reallocarray(symtab->entries, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		symtab->entries = more;
		symtab->room = room;
	}
	symtab->entries[symtab->n++] = *entry;
	return 0;
}

static int read_symbols(struct symtab *symtab, Dwfl_Module *module)
{
	int n = dwfl_module_getsymtab(module);

	/* Index 0 is the null symbol. */
	for (int i = 1; i < n; i++) {
		struct entry entry;
		Dwarf_Addr bias, end;
		GElf_Word section;
		GElf_Sym sym;
		Elf *elf;
		int err;

		if (symtab->n == SYMTAB_MAX) {
			symtab->truncated = true;
			return 0;
		}
		entry.name = dwfl_module_getsym_info(module, i, &sym, &entry.start, &section, &elf,
						     &bias);
		entry.type = GELF_ST_TYPE(sym.st_info);
		entry.binding = GELF_ST_BIND(sym.st_info);
		if (!is_name(entry.name, entry.type) || section == SHN_UNDEF || !elf)
			continue;
		if (entry.type != STT_FUNC && entry.type != STT_GNU_IFUNC &&
		    entry.type != STT_NOTYPE)
			continue;
		end = code_end(elf, section, bias);
		if (entry.start >= end)
			continue;
		entry.sized = sym.st_size > 0;
		entry.end = entry.sized && sym.st_size < end - entry.start
				    ? entry.start + sym.st_size
				    : end;
		if (entry.binding == STB_LOCAL)
			symtab->locals = true;
		err = add(symtab, &entry);
		if (err)
			return err;
	}
	return 0;
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/* The length without the version, if there is one: "memcpy@@GLIBC_2.14". */
static size_t name_len(const char *name)
{
	size_t len = strcspn(name, "@");

	return len ? len : strlen(name);
}

/* Negative when a is the better name for what both are. */
static int compare_aliases(const struct entry *a, const struct entry *b)
{
	size_t len_a, len_b;

	if ((a->type == STT_NOTYPE) != (b->type == STT_NOTYPE))
		return a->type == STT_NOTYPE ? 1 : -1;
	if ((a->binding == STB_LOCAL) != (b->binding == STB_LOCAL))
		return a->binding == STB_LOCAL ? 1 : -1;
	len_a = underscores(a->name);
	len_b = underscores(b->name);
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	if ((a->binding == STB_WEAK) != (b->binding == STB_WEAK))
		return a->binding == STB_WEAK ? 1 : -1;
	len_a = name_len(a->name);
	len_b = name_len(b->name);
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* By address; of one address the symbol to be preferred comes last, where a search from above meets
 * it first. */
static int compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->sized != b->sized)
		return a->sized ? 1 : -1;
	return compare_aliases(b, a);
}

/* What labels without a size may answer for: up to the next symbol. One that lies within a
 * function, or at its beginning, has no say at all. */
static void bound_labels(struct symtab *symtab)
{
	Dwarf_Addr next = UINT64_MAX, reach = 0;
	bool alias = false;

	for (size_t i = symtab->n; i-- > 0;) {
		struct entry *entry = &symtab->entries[i];
		bool last = i + 1 == symtab->n;

		/* The last of those at one address: one with a size, if there is any. */
		if (last || entry[1].start > entry->start) {
			next = last ? UINT64_MAX : entry[1].start;
			alias = entry->sized;
		}
		if (entry->sized)
			continue;
		if (alias || !symtab->locals || symtab->truncated)
			entry->end = entry->start;
		else if (entry->end > next)
			entry->end = next;
	}
	for (size_t i = 0; i < symtab->n; i++) {
		struct entry *entry = &symtab->entries[i];

		/* Labels end where the next symbol begins, so only functions reach over it. */
		if (!entry->sized && reach > entry->start)
			entry->end = entry->start;
		if (entry->end > reach)
			reach = entry->end;
		entry->reach = reach;
	}
}

static void cleanup_symtab(struct symtab **symtab)
{
	symtab__free(*symtab);
}

int symtab__new(Dwfl_Module *module, struct symtab **ret)
{
	_cleanup_(cleanup_symtab) struct symtab *symtab = calloc(1, sizeof(*symtab));
	int err;

	if (!symtab)
		return -ENOMEM;
	err = read_symbols(symtab, module);
	if (err)
		return err;
	if (symtab->n)
		qsort(symtab->entries, symtab->n, sizeof(*symtab->entries), compare);
	bound_labels(symtab);
	*ret = take_ptr(symtab);
	return 0;
}

void symtab__free(struct symtab *symtab)
{
	if (!symtab)
		return;
	free(symtab->entries);
	free(symtab);
}

size_t symtab__count(const struct symtab *symtab)
{
	return symtab->n;
}

const char *symtab__find(const struct symtab *symtab, Dwarf_Addr pc, size_t *ret_len)
{
	size_t low = 0, high = symtab->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symtab->entries[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t back = 0; low-- > 0 && back < NESTED_MAX; back++) {
		const struct entry *entry = &symtab->entries[low];

		if (entry->reach <= pc)
			break;
		if (entry->end > pc) {
			*ret_len = name_len(entry->name);
			return entry->name;
		}
	}
	return NULL;
}
