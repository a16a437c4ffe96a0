// SPDX-License-Identifier: BSD-2-Clause
#include "child/gosymbols.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "child/gopclntab.h"

#define TABLE_ALIGNMENT 8

struct gosymbols {
	struct gopclntab table;
	Dwarf_Addr bias; /* from the file's addresses to the Dwfl's */
};

static Elf_Scn *section_named(Elf *elf, const char *name, GElf_Shdr *ret)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *is;

		if (!gelf_getshdr(section, ret))
			continue;
		is = elf_strptr(elf, names, ret->sh_name);
		if (is && !strcmp(is, name))
			return section;
	}
	return NULL;
}

/* What the dynamic linker will put at an address of a position-independent file. 0: not known. */
static uint64_t relocated(Elf *elf, uint64_t address)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data;
		GElf_Rela rela;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
		    !(header.sh_flags & SHF_ALLOC))
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && gelf_getrela(data, i, &rela); i++)
			if (rela.r_offset == address)
				return (uint64_t)rela.r_addend;
	}
	return 0;
}

static bool is_code(Elf *elf, uint64_t address)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_EXECINSTR) &&
		    address >= header.sh_addr && address - header.sh_addr < header.sh_size)
			return true;
	return false;
}

/* Where the text begins, if the table does not say: its field is set when the program is loaded, or
 * never (Go 1.26). */
static void find_text(Elf *elf, uint64_t table_address, struct gopclntab *table)
{
	GElf_Shdr header;

	if (table->version < 118 || is_code(elf, table->text_start))
		return;
	table->text_start = relocated(elf, table_address + 8 + 2 * (uint64_t)table->ptr_size);
	if (!table->text_start && section_named(elf, ".text", &header))
		table->text_start = header.sh_addr;
}

/*
 * The table, and its address. Linked by the C compiler to be position-independent, it has no
 * section of its own but lies among what is read-only once it is relocated.
 */
static bool find_table(Elf *elf, struct gopclntab *ret, GElf_Addr *ret_address)
{
	static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	Elf_Scn *section = NULL;
	GElf_Shdr header, note;
	Elf_Data *data;
	size_t last = 0;

	for (size_t i = 0; !section && i < sizeof(names) / sizeof(names[0]); i++)
		section = section_named(elf, names[i], &header);
	if (!section && section_named(elf, ".note.go.buildid", &note)) {
		section = section_named(elf, ".data.rel.ro", &header);
		last = SIZE_MAX;
	}
	data = section ? elf_rawdata(section, NULL) : NULL;
	if (!data || !data->d_buf)
		return false;
	for (size_t at = 0; at < data->d_size && at <= last; at += TABLE_ALIGNMENT) {
		if (gopclntab__parse((const uint8_t *)data->d_buf + at, data->d_size - at, ret))
			continue;
		*ret_address = header.sh_addr + at;
		return true;
	}
	return false;
}

int gosymbols__new(Dwfl_Module *module, struct gosymbols **ret)
{
	struct gopclntab table;
	struct gosymbols *go;
	Dwarf_Addr bias;
	GElf_Addr address;
	Elf *elf = dwfl_module_getelf(module, &bias);

	*ret = NULL;
	if (!elf || !find_table(elf, &table, &address))
		return 0;
	find_text(elf, address, &table);
	go = calloc(1, sizeof(*go));
	if (!go)
		return -ENOMEM;
	go->table = table;
	go->bias = bias;
	*ret = go;
	return 0;
}

void gosymbols__free(struct gosymbols *go)
{
	free(go);
}

bool gosymbols__find(const struct gosymbols *go, Dwarf_Addr pc, struct symbol *ret)
{
	struct gofunction function;

	if (gopclntab__find(&go->table, pc - go->bias, &function))
		return false;
	ret->function = function.name;
	if (function.file) {
		ret->file = function.file;
		ret->line = function.line;
	}
	return true;
}
