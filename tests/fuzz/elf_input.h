/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files from a fuzzer's bytes: whole ones, and ones of which only the code and its call frame
 * information are the fuzzer's, so that it need not guess headers and checksums. */
#ifndef MEMPROV_FUZZ_ELF_INPUT_H
#define MEMPROV_FUZZ_ELF_INPUT_H

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child/elf_module.h"

#if defined(__x86_64__)
enum { INPUT_MACHINE = EM_X86_64, INPUT_RA = 16, INPUT_CODE_ALIGN = 1 };
#elif defined(__aarch64__)
enum { INPUT_MACHINE = EM_AARCH64, INPUT_RA = 30, INPUT_CODE_ALIGN = 4 };
#endif

#define INPUT_CODE_START 0x1000 /* offset and address in the file */
#define INPUT_CODE_LEN	 0x1000
#define INPUT_RULES_MAX	 1024

static inline int elf_input_file(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

/* Asked for the debug file of one whose bytes ctx points to, if there are any: it is that itself.
 */
struct elf_input {
	const uint8_t *data;
	size_t size;
};

static inline int elf_input_find_debug(void *ctx, uint32_t file, const char *link)
{
	const struct elf_input *input = ctx;

	return input ? elf_input_file(input->data, input->size) : -1;
}

static inline struct elf_module *elf_input_module(struct elf_input *input)
{
	struct elf_module *module = elf_module__new(1, elf_input_file(input->data, input->size),
						    elf_input_find_debug, input);

	if (!module)
		abort();
	return module;
}

struct elf_made {
	Elf64_Ehdr header;
	Elf64_Phdr segments[3];
	struct {
		uint8_t version, frame_encoding, count_encoding, table_encoding;
		int32_t frame;
		uint32_t count;
		int32_t table[2];
	} frame_header;
	struct {
		uint32_t len, id;
		uint8_t version;
		char augmentation[3];
		uint8_t code_align, data_align, ra, augmentation_len, encoding;
		uint8_t pad[3];
	} cie;
	struct {
		uint32_t len, cie;
		uint64_t start, bytes;
		uint8_t augmentation_len;
		uint8_t rules[INPUT_RULES_MAX];
		uint8_t pad[7];
	} __attribute__((packed)) fde;
	uint32_t end;
};

/*
 * A file with INPUT_CODE_LEN bytes of code, which begin with `code`. `rules` are the instructions
 * of its call frame information, for the first `described` bytes; the rest has none.
 */
static inline struct elf_module *elf_input_made(const uint8_t *code, size_t code_len,
						const uint8_t *rules, size_t rules_len,
						uint64_t described)
{
	static uint8_t file[INPUT_CODE_START + INPUT_CODE_LEN];
	struct elf_made *made = (void *)file;
	struct elf_module *module;

	_Static_assert(sizeof(*made) <= INPUT_CODE_START, "the code lies behind it");
	memset(file, 0, sizeof(file));
	made->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
				    .e_type = ET_DYN,
				    .e_machine = INPUT_MACHINE,
				    .e_version = 1,
				    .e_entry = INPUT_CODE_START,
				    .e_phoff = offsetof(struct elf_made, segments),
				    .e_ehsize = sizeof(Elf64_Ehdr),
				    .e_phentsize = sizeof(Elf64_Phdr),
				    .e_phnum = 3};
	made->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
					 .p_flags = PF_R,
					 .p_filesz = INPUT_CODE_START,
					 .p_memsz = INPUT_CODE_START,
					 .p_align = 0x1000};
	made->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
					 .p_flags = PF_R | PF_X,
					 .p_offset = INPUT_CODE_START,
					 .p_vaddr = INPUT_CODE_START,
					 .p_filesz = INPUT_CODE_LEN,
					 .p_memsz = INPUT_CODE_LEN,
					 .p_align = 0x1000};
	made->segments[2] = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
					 .p_flags = PF_R,
					 .p_offset = offsetof(struct elf_made, frame_header),
					 .p_vaddr = offsetof(struct elf_made, frame_header),
					 .p_filesz = sizeof(made->frame_header),
					 .p_memsz = sizeof(made->frame_header),
					 .p_align = 4};
	/* DW_EH_PE_sdata4, relative to itself and to the header; DW_EH_PE_udata4. */
	made->frame_header.version = 1;
	made->frame_header.frame_encoding = 0x1b;
	made->frame_header.count_encoding = 0x03;
	made->frame_header.table_encoding = 0x3b;
	made->frame_header.frame =
		offsetof(struct elf_made, cie) - offsetof(struct elf_made, frame_header.frame);
	made->frame_header.count = 1;
	made->frame_header.table[0] = INPUT_CODE_START - offsetof(struct elf_made, frame_header);
	made->frame_header.table[1] =
		offsetof(struct elf_made, fde) - offsetof(struct elf_made, frame_header);
	made->cie.len = sizeof(made->cie) - sizeof(made->cie.len);
	made->cie.version = 1;
	memcpy(made->cie.augmentation, "zR", 3);
	made->cie.code_align = INPUT_CODE_ALIGN;
	made->cie.data_align = 0x78; /* -8 */
	made->cie.ra = INPUT_RA;
	made->cie.augmentation_len = 1;
	made->cie.encoding = 0x04; /* DW_EH_PE_udata8: the address itself */
	made->fde.len = sizeof(made->fde) - sizeof(made->fde.len);
	made->fde.cie = offsetof(struct elf_made, fde.cie) - offsetof(struct elf_made, cie);
	made->fde.start = INPUT_CODE_START;
	made->fde.bytes = described;
	memcpy(made->fde.rules, rules, rules_len < INPUT_RULES_MAX ? rules_len : INPUT_RULES_MAX);
	memcpy(file + INPUT_CODE_START, code,
	       code_len < INPUT_CODE_LEN ? code_len : INPUT_CODE_LEN);
	module = elf_module__new(1, elf_input_file(file, sizeof(file)), elf_input_find_debug, NULL);
	if (!module || elf_module__load(module))
		abort();
	return module;
}

#endif
