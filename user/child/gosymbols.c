// SPDX-License-Identifier: BSD-2-Clause
#include "child/gosymbols.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "child/gopclntab.h"

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

int gosymbols__new(Dwfl_Module *module, struct gosymbols **ret)
{
	static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	struct gopclntab table;
	struct gosymbols *go;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Dwarf_Addr bias;
	Elf_Data *data;
	Elf *elf = dwfl_module_getelf(module, &bias);

	*ret = NULL;
	for (size_t i = 0; elf && !section && i < sizeof(names) / sizeof(names[0]); i++)
		section = section_named(elf, names[i], &header);
	data = section ? elf_rawdata(section, NULL) : NULL;
	if (!data || !data->d_buf || gopclntab__parse(data->d_buf, data->d_size, &table))
		return 0;
	find_text(elf, header.sh_addr, &table);
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
