// SPDX-License-Identifier: BSD-2-Clause
/* Mapped files as the symbolizer's child reads them: user/child/elf_module.c. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/elf_module.h"

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	uint8_t code[64];
};

static int find_no_debug(void *ctx, uint32_t file, const char *link)
{
	return -1;
}

static struct elf_module *open_image(uint8_t version, uint64_t offset, uint64_t address)
{
	struct image image = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, version},
#if defined(__x86_64__)
			   .e_machine = EM_X86_64,
#else
			   .e_machine = EM_AARCH64,
#endif
			   .e_type = ET_DYN,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct image, segment),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_offset = offset,
			    .p_filesz = sizeof(image),
			    .p_memsz = sizeof(image),
			    .p_vaddr = address,
			    .p_align = 0x1000},
	};
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct elf_module *module;

	assert_int_equal(write(fd, &image, sizeof(image)), sizeof(image));
	module = elf_module__new(1, fd, find_no_debug, NULL);
	assert_non_null(module);
	return module;
}

static void code_has_an_address(void **state)
{
	struct elf_module *module = open_image(EV_CURRENT, 0, 0x1000);
	struct code_place place;
	uint64_t address;

	assert_int_equal(elf_module__load(module), 0);
	assert_true(elf_module__address(module, 0x10, &address));
	assert_int_equal(address, 0x1010);
	assert_true(elf_module__place(module, 0x7000, 0, 0x7010, &place));
	assert_int_equal(place.offset, 0x10);
	elf_module__free(module);
}

/* Found by fuzz_elf_module: its program headers are read first, and stayed. */
static void a_file_that_cannot_be_read_has_no_code(void **state)
{
	struct elf_module *module = open_image(EV_NONE, 0, 0x1000);
	struct code_place place;
	uint64_t address;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(elf_module__load(module), -EBADMSG);
		assert_false(elf_module__address(module, 0x10, &address));
		assert_false(elf_module__place(module, 0x7000, 0, 0x7010, &place));
	}
	elf_module__free(module);
}

/* Found by fuzz_elf_module: the offset of a place came around to the file's beginning. */
static void a_segment_that_ends_nowhere_is_none(void **state)
{
	static const struct {
		uint64_t offset, address;
	} cases[] = {
		{UINT64_MAX - 8, 0x1000},
		{INT64_MAX - 8, 0x1000},
		{0, UINT64_MAX - 8},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct elf_module *module =
			open_image(EV_CURRENT, cases[i].offset, cases[i].address);

		assert_int_equal(elf_module__load(module), -EBADMSG);
		elf_module__free(module);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_has_an_address),
		cmocka_unit_test(a_file_that_cannot_be_read_has_no_code),
		cmocka_unit_test(a_segment_that_ends_nowhere_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
