// SPDX-License-Identifier: BSD-2-Clause
/* Build ids of ELF files, whole and broken: user/proc/build_id.h. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/build_id.h"

#define NOTES 64

struct object {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr section;
	uint8_t notes[NOTES];
};

#define OTHER "\4\0\0\0\2\0\0\0\1\0\0\0GNU\0ab\0\0"
#define ID    "\4\0\0\0\3\0\0\0\3\0\0\0GNU\0xyz\0"

static struct object make(const void *notes, size_t len)
{
	struct object object = {
		.header = {.e_ident = "\177ELF\2\1\1",
			   .e_phoff = offsetof(struct object, segment),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_shoff = offsetof(struct object, section),
			   .e_shentsize = sizeof(Elf64_Shdr)},
		.segment = {.p_type = PT_NOTE,
			    .p_offset = offsetof(struct object, notes),
			    .p_filesz = len,
			    .p_align = 4},
		.section = {.sh_type = SHT_NOTE,
			    .sh_offset = offsetof(struct object, notes),
			    .sh_size = len,
			    .sh_addralign = 4},
	};

	memcpy(object.notes, notes, len);
	return object;
}

static int read_cut(const struct object *object, size_t len, struct build_id *ret)
{
	int fd = memfd_create("object", MFD_CLOEXEC), err;

	assert_int_equal(write(fd, object, len), len);
	err = build_id__read(fd, ret);
	close(fd);
	return err;
}

static int read_whole(const struct object *object, struct build_id *ret)
{
	return read_cut(object, sizeof(*object), ret);
}

static void where_it_may_be(void **state)
{
	static const char both[] = OTHER ID;
	struct object object = make(both, sizeof(both) - 1);
	struct build_id id, other;

	for (int in_section = 0; in_section < 2; in_section++) {
		object.header.e_phnum = !in_section;
		object.header.e_shnum = in_section;
		assert_int_equal(read_whole(&object, &id), 0);
		assert_int_equal(id.len, 3);
		assert_memory_equal(id.bytes, "xyz", 3);
	}
	other = id;
	assert_true(build_id__equal(&id, &other));
	other.bytes[2]++;
	assert_false(build_id__equal(&id, &other));
	other = id;
	other.len--;
	assert_false(build_id__equal(&id, &other));
	assert_false(build_id__equal(&(struct build_id){}, &(struct build_id){}));
	object.header.e_shnum = 0;
	assert_int_equal(read_whole(&object, &id), -ENODATA);
	assert_int_equal(id.len, 0);
}

static void every_length(void **state)
{
	struct object object = make(ID, sizeof(ID) - 1);
	struct build_id id;

	object.header.e_shnum = 1;
	for (size_t len = 0; len < sizeof(object); len++) {
		int err = read_cut(&object, len, &id);

		if (len < EI_NIDENT)
			assert_int_equal(err, -EBADMSG);
		else if (len < offsetof(struct object, notes) + sizeof(ID) - 1)
			assert_int_equal(err, -ENODATA);
		else
			assert_int_equal(err, 0);
	}
}

static void numbers_that_lie(void **state)
{
	static const uint32_t sizes[] = {0, 65, 4096, 4097, INT32_MAX, UINT32_MAX - 3, UINT32_MAX};
	struct object good = make(ID, sizeof(ID) - 1), bad;
	struct build_id id;

	good.header.e_shnum = good.header.e_phnum = 1;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t word = 0; word < 2; word++) {
			bad = good;
			memcpy(bad.notes + 4 * word, &sizes[i], 4);
			assert_int_equal(read_whole(&bad, &id), -ENODATA);
		}
	}
	bad = good;
	bad.header.e_shoff = bad.header.e_phoff = UINT64_MAX - 8;
	assert_int_equal(read_whole(&bad, &id), -ENODATA);
	bad = good;
	bad.header.e_shentsize = bad.header.e_phentsize = 1;
	assert_int_equal(read_whole(&bad, &id), -ENODATA);
	bad = good;
	bad.header.e_shnum = bad.header.e_phnum = UINT16_MAX;
	assert_int_equal(read_whole(&bad, &id), -ENODATA);
	bad = good;
	bad.section.sh_offset = bad.segment.p_offset = UINT64_MAX - 2;
	assert_int_equal(read_whole(&bad, &id), -ENODATA);
	/* A 32-bit one, and one of the other byte order, are ELF files. */
	bad = good;
	bad.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_whole(&bad, &id), -ENODATA);
	bad = good;
	bad.header.e_ident[EI_DATA] = 3;
	assert_int_equal(read_whole(&bad, &id), -ENODATA);
	bad.header.e_ident[0] = '#';
	assert_int_equal(read_whole(&bad, &id), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_may_be),
		cmocka_unit_test(every_length),
		cmocka_unit_test(numbers_that_lie),
	};

	return cmocka_run_group_tests_name("build_id", tests, NULL, NULL);
}
