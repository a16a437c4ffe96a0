// SPDX-License-Identifier: BSD-2-Clause
#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "proc/files.h"

/* The note that Go's linker writes: ".note.go.buildid", cmd/internal/buildid. */
#define GO_NOTE_NAME "Go\0"
#define GO_NOTE_TYPE 4

/* A file's first bytes, and how its numbers are written. Nothing in it is to be trusted. */
struct elf {
	const unsigned char *data;
	size_t len;
	bool is_64;
	bool big_endian;
};

/* A number of `size` bytes; false when it is not in the buffer. */
static bool elf__number(const struct elf *elf, uint64_t at, size_t size, uint64_t *ret)
{
	uint64_t value = 0;

	if (at > elf->len || elf->len - at < size)
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | elf->data[at + (elf->big_endian ? i : size - 1 - i)];
	*ret = value;
	return true;
}

/* Where a field is and its size, in the layout of the file's word size. */
#define FIELD_AT(elf, type, field)                                                                 \
	((elf)->is_64 ? offsetof(Elf64_##type, field) : offsetof(Elf32_##type, field))
#define FIELD_SIZE(elf, type, field)                                                               \
	((elf)->is_64 ? sizeof(((Elf64_##type *)0)->field) : sizeof(((Elf32_##type *)0)->field))
#define elf__field(elf, base, type, field, ret)                                                    \
	elf__number(elf, (base) + FIELD_AT(elf, type, field), FIELD_SIZE(elf, type, field), ret)

/* The next multiple of align (4 or 8), or the largest number there is. */
static uint64_t align_up(uint64_t n, uint64_t align)
{
	uint64_t up;

	return __builtin_add_overflow(n, align - 1, &up) ? UINT64_MAX : up & ~(align - 1);
}

/* Looks through one segment of notes: each is three words, a name and a description, padded. */
static bool elf__has_go_note(const struct elf *elf, uint64_t at, uint64_t size, uint64_t align)
{
	uint64_t end, name_size, desc_size, type, next;

	if (at > elf->len)
		return false;
	end = size < elf->len - at ? at + size : elf->len;
	while (end - at >= sizeof(Elf32_Nhdr)) {
		if (!elf__number(elf, at, 4, &name_size) ||
		    !elf__number(elf, at + 4, 4, &desc_size) || !elf__number(elf, at + 8, 4, &type))
			return false;
		at += sizeof(Elf32_Nhdr);
		if (name_size == sizeof(GO_NOTE_NAME) && type == GO_NOTE_TYPE &&
		    end - at >= name_size && !memcmp(elf->data + at, GO_NOTE_NAME, name_size))
			return true;
		/* Both sizes are of 32 bits, so that the sum cannot wrap. */
		next = align_up(at + name_size, align);
		next = align_up(next + desc_size, align);
		if (next > end)
			return false;
		at = next;
	}
	return false;
}

static bool elf__is_go(const struct elf *elf)
{
	uint64_t table, entry_size, count, type, at, size, align;

	if (!elf__field(elf, 0, Ehdr, e_phoff, &table) ||
	    !elf__field(elf, 0, Ehdr, e_phentsize, &entry_size) ||
	    !elf__field(elf, 0, Ehdr, e_phnum, &count))
		return false;
	if (entry_size < (elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return false;
	for (uint64_t i = 0; i < count; i++, table += entry_size) {
		/* Also keeps the sums below from wrapping. */
		if (table >= elf->len)
			return false;
		if (!elf__field(elf, table, Phdr, p_type, &type) ||
		    !elf__field(elf, table, Phdr, p_offset, &at) ||
		    !elf__field(elf, table, Phdr, p_filesz, &size) ||
		    !elf__field(elf, table, Phdr, p_align, &align))
			return false;
		if (type == PT_NOTE && elf__has_go_note(elf, at, size, align == 8 ? 8 : 4))
			return true;
	}
	return false;
}

enum file_is file__classify(const void *head, size_t len)
{
	struct elf elf = {.data = head, .len = len};
	uint64_t type;

	if (len < EI_NIDENT || memcmp(elf.data, ELFMAG, SELFMAG))
		return FILE_IS_DATA;
	if (elf.data[EI_CLASS] != ELFCLASS32 && elf.data[EI_CLASS] != ELFCLASS64)
		return FILE_IS_DATA;
	if (elf.data[EI_DATA] != ELFDATA2LSB && elf.data[EI_DATA] != ELFDATA2MSB)
		return FILE_IS_DATA;
	elf.is_64 = elf.data[EI_CLASS] == ELFCLASS64;
	elf.big_endian = elf.data[EI_DATA] == ELFDATA2MSB;
	/* A core dump or an object file that is mapped is being read, not run. */
	if (!elf__field(&elf, 0, Ehdr, e_type, &type) || (type != ET_EXEC && type != ET_DYN))
		return FILE_IS_DATA;
	return elf__is_go(&elf) ? FILE_IS_GO : FILE_IS_ELF;
}
