// SPDX-License-Identifier: BSD-2-Clause
#include "proc/build_id.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES_MAX 1024 /* of either table; a linker makes some forty */
#define NOTES_MAX   4096 /* bytes of one piece of notes that are looked at */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_DATA ELFDATA2LSB
#else
#define OUR_DATA ELFDATA2MSB
#endif

static bool read_at(int fd, uint64_t at, void *ret, size_t len)
{
	ssize_t n;

	if (at > INT64_MAX)
		return false;
	do
		n = pread(fd, ret, len, at);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/* Each is three words, a name and a description, padded to `align`. */
static bool find_note(const uint8_t *notes, size_t len, size_t align, struct build_id *ret)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		size_t name = sizeof(note), desc, end;

		memcpy(&note, notes, sizeof(note));
		if (note.n_namesz > NOTES_MAX || note.n_descsz > NOTES_MAX)
			return false;
		desc = name + align_up(note.n_namesz, align);
		end = desc + note.n_descsz;
		if (end > len)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    !memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) && note.n_descsz &&
		    note.n_descsz <= BUILD_ID_MAX) {
			ret->len = note.n_descsz;
			memcpy(ret->bytes, notes + desc, note.n_descsz);
			return true;
		}
		end = align_up(end, align);
		if (end > len)
			return false;
		notes += end;
		len -= end;
	}
	return false;
}

static bool read_notes(int fd, uint64_t at, uint64_t size, uint64_t align, struct build_id *ret)
{
	uint8_t notes[NOTES_MAX];
	size_t len = size < sizeof(notes) ? size : sizeof(notes);

	return read_at(fd, at, notes, len) && find_note(notes, len, align == 8 ? 8 : 4, ret);
}

/* Sections first: a file of debug information alone has segments that lead nowhere. */
static bool find_in_sections(int fd, const Elf64_Ehdr *header, struct build_id *ret)
{
	Elf64_Shdr section;

	if (header->e_shentsize != sizeof(section) || header->e_shnum > ENTRIES_MAX)
		return false;
	for (size_t i = 0; i < header->e_shnum; i++) {
		if (!read_at(fd, header->e_shoff + i * sizeof(section), &section, sizeof(section)))
			return false;
		if (section.sh_type == SHT_NOTE &&
		    read_notes(fd, section.sh_offset, section.sh_size, section.sh_addralign, ret))
			return true;
	}
	return false;
}

static bool find_in_segments(int fd, const Elf64_Ehdr *header, struct build_id *ret)
{
	Elf64_Phdr segment;

	if (header->e_phentsize != sizeof(segment) || header->e_phnum > ENTRIES_MAX)
		return false;
	for (size_t i = 0; i < header->e_phnum; i++) {
		if (!read_at(fd, header->e_phoff + i * sizeof(segment), &segment, sizeof(segment)))
			return false;
		if (segment.p_type == PT_NOTE &&
		    read_notes(fd, segment.p_offset, segment.p_filesz, segment.p_align, ret))
			return true;
	}
	return false;
}

int build_id__read(int fd, struct build_id *ret)
{
	Elf64_Ehdr header;

	*ret = (struct build_id){};
	if (!read_at(fd, 0, header.e_ident, EI_NIDENT) || memcmp(header.e_ident, ELFMAG, SELFMAG))
		return -EBADMSG;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != OUR_DATA ||
	    !read_at(fd, 0, &header, sizeof(header)))
		return -ENODATA;
	return find_in_sections(fd, &header, ret) || find_in_segments(fd, &header, ret) ? 0
											: -ENODATA;
}

bool build_id__equal(const struct build_id *a, const struct build_id *b)
{
	return a->len && a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}
