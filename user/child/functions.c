// SPDX-License-Identifier: BSD-2-Clause
#include "child/functions.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/array.h"
#include "util/cleanup.h"
#include "wire/fp.h"

#define STARTS_MAX	(1u << 20)
#define CHUNK		65536
#define JUMPS_LOOKED_AT 65536 /* beginnings, each of which is read once */

struct functions {
	struct function_start *starts; /* ascending */
	size_t n;
	size_t room;
};

static int add(struct functions *f, uint64_t address, bool global)
{
	if (f->n >= STARTS_MAX)
		return 0;
	if (array__grow(&f->starts, &f->room, f->n, sizeof(*f->starts)))
		return -ENOMEM;
	f->starts[f->n++] = (struct function_start){address, global};
	return 0;
}

static int add_symbols(struct functions *f, Dwfl_Module *module)
{
	int n = dwfl_module_getsymtab(module), err = 0;

	/* Index 0 is the null symbol. */
	for (int i = 1; !err && i < n; i++) {
		GElf_Word section;
		Dwarf_Addr address;
		GElf_Sym sym;

		if (!dwfl_module_getsym_info(module, i, &sym, &address, &section, NULL, NULL) ||
		    section == SHN_UNDEF)
			continue;
		if (GELF_ST_TYPE(sym.st_info) == STT_FUNC ||
		    GELF_ST_TYPE(sym.st_info) == STT_GNU_IFUNC)
			err = add(f, address, GELF_ST_BIND(sym.st_info) != STB_LOCAL);
	}
	return err;
}

static bool is_code(const Elf64_Phdr *segment, uint64_t address)
{
	return segment->p_flags & PF_X && address - segment->p_vaddr < segment->p_filesz;
}

static bool is_in_any(const Elf64_Phdr *segments, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++) {
		if (is_code(&segments[i], address))
			return true;
	}
	return false;
}

/* Bytes that only look like a call add a beginning where there is none: somewhere in four
 * gigabytes. */
static int add_calls(struct functions *f, int fd, const Elf64_Phdr *segments, size_t n,
		     const Elf64_Phdr *segment)
{
	_cleanup_free_ uint8_t *code = malloc(CHUNK);
	uint64_t at = 0, target;
	int err = code ? 0 : -ENOMEM;

	while (!err && at + CALL_LEN_MAX <= segment->p_filesz) {
		uint64_t left = segment->p_filesz - at;
		ssize_t got = pread(fd, code, left < CHUNK ? left : CHUNK, segment->p_offset + at);
		size_t i;

		if (got < CALL_LEN_MAX)
			break;
		for (i = 0; !err && i + CALL_LEN_MAX <= (size_t)got; i += INSTRUCTION_STEP) {
			uint64_t pc = segment->p_vaddr + at + i;

			if ((fp__call_target(code + i, CALL_LEN_MAX, pc + CALL_LEN_MAX, &target) ||
			     fp__takes_address(code + i, pc, &target)) &&
			    is_in_any(segments, n, target))
				err = add(f, target, false);
		}
		at += i;
	}
	return err;
}

static int by_address(const void *a, const void *b)
{
	const struct function_start *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Each once; global if one of those at the place is. */
static void unite(struct functions *f)
{
	size_t n = 0;

	if (!f->n)
		return;
	qsort(f->starts, f->n, sizeof(*f->starts), by_address);
	for (size_t i = 1; i < f->n; i++) {
		if (f->starts[i].address == f->starts[n].address)
			f->starts[n].global |= f->starts[i].global;
		else
			f->starts[++n] = f->starts[i];
	}
	f->n = n + 1;
}

static bool read_code(int fd, const Elf64_Phdr *segments, size_t n, uint64_t address,
		      uint8_t ret[CALL_LEN_MAX])
{
	for (size_t i = 0; i < n; i++) {
		uint64_t within = address - segments[i].p_vaddr;

		if (is_code(&segments[i], address))
			return pread(fd, ret, CALL_LEN_MAX, segments[i].p_offset + within) ==
			       CALL_LEN_MAX;
	}
	return false;
}

/* A name that does nothing but jump to the function that it is of: what may call one may call the
 * other. */
static int add_jumps(struct functions *f, int fd, const Elf64_Phdr *segments, size_t n)
{
	size_t known = f->n;
	int err = 0;

	if (known > JUMPS_LOOKED_AT)
		return 0;
	for (size_t i = 0; !err && i < known; i++) {
		const struct function_start from = f->starts[i];
		uint8_t code[CALL_LEN_MAX];
		int32_t distance;

		if (read_code(fd, segments, n, from.address, code) &&
		    fp__is_jump(code, &distance) && is_in_any(segments, n, from.address + distance))
			err = add(f, from.address + distance, from.global);
	}
	return err;
}

int functions__new(Dwfl_Module *module, int fd, const Elf64_Phdr *segments, size_t n,
		   struct functions **ret)
{
	struct functions *f = calloc(1, sizeof(*f));
	uint64_t left = FUNCTIONS_CODE_MAX;
	int err = f ? add_symbols(f, module) : -ENOMEM;

	for (size_t i = 0; !err && i < n; i++) {
		if (!(segments[i].p_flags & PF_X) || segments[i].p_filesz > left)
			continue;
		left -= segments[i].p_filesz;
		err = add_calls(f, fd, segments, n, &segments[i]);
	}
	if (!err) {
		unite(f);
		err = add_jumps(f, fd, segments, n);
	}
	if (err) {
		functions__free(f);
		return err;
	}
	unite(f);
	*ret = f;
	return 0;
}

void functions__free(struct functions *f)
{
	if (!f)
		return;
	free(f->starts);
	free(f);
}

bool functions__find(const struct functions *f, uint64_t address, struct function_start *ret)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->starts[mid].address <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	*ret = f->starts[lo - 1];
	return true;
}
