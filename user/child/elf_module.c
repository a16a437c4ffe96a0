// SPDX-License-Identifier: BSD-2-Clause
#include "child/elf_module.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/hash.h"
#include "wire/wire.h"

#define SEGMENTS_MAX 64	   /* that are loaded and kept; a linker makes four */
#define PHNUM_MAX    1024  /* PN_XNUM means more than any file has */
#define SITES_MAX    16384 /* addresses of a module; then it begins anew */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

struct site {
	uint64_t address;
	struct cfi_site cfi;
	UT_hash_handle hh;
};

struct elf_module {
	uint32_t number;
	int fd;
	find_debug_fn find_debug;
	void *ctx;

	bool tried;
	int error;
	uint64_t last_use;
	size_t bytes;
	Elf64_Phdr segments[SEGMENTS_MAX];
	size_t n_segments;
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwarf_CFI *eh_cfi, *debug_cfi;
	Dwarf_Addr eh_bias, debug_bias;
	bool debug_tried;
	bool debug_asked;
	bool poor;
	const char *lacks; /* of the names that were looked for, the first; NULL: none */
	struct site *sites;
	struct functions *functions; /* NULL: not read yet */
};

struct elf_module *elf_module__new(uint32_t number, int fd, find_debug_fn find_debug, void *ctx)
{
	struct elf_module *module = calloc(1, sizeof(*module));

	if (!module) {
		close(fd);
		return NULL;
	}
	module->number = number;
	module->fd = fd;
	module->find_debug = find_debug;
	module->ctx = ctx;
	return module;
}

static void drop_sites(struct elf_module *module)
{
	while (module->sites) {
		struct site *site = module->sites;

		HASH_DEL(module->sites, site);
		free(site->cfi.frame);
		free(site);
	}
}

void elf_module__unload(struct elf_module *module)
{
	drop_sites(module);
	functions__free(module->functions);
	module->functions = NULL;
	if (module->dwfl)
		dwfl_end(module->dwfl);
	module->dwfl = NULL;
	module->module = NULL;
	module->eh_cfi = module->debug_cfi = NULL;
	module->tried = module->debug_tried = false;
	module->debug_asked = module->poor = false;
	module->lacks = NULL;
	module->n_segments = 0;
	module->bytes = 0;
}

void elf_module__free(struct elf_module *module)
{
	if (!module)
		return;
	elf_module__unload(module);
	close(module->fd);
	free(module);
}

bool elf_module__is_poor(const struct elf_module *module)
{
	return module->poor;
}

void elf_module__use(struct elf_module *module, uint64_t now)
{
	module->last_use = now;
}

uint64_t elf_module__last_use(const struct elf_module *module)
{
	return module->last_use;
}

Dwfl_Module *elf_module__dwfl(const struct elf_module *module)
{
	return module->module;
}

size_t elf_module__bytes(const struct elf_module *module)
{
	return module->bytes;
}

ssize_t elf_module__read(const struct elf_module *module, uint64_t offset, void *ret, size_t len)
{
	ssize_t n;

	if (offset > INT64_MAX)
		return -EINVAL;
	do
		n = pread(module->fd, ret, len, offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* --- loading ------------------------------------------------------------------------------- */

/* Files come as descriptors or not at all: the child has no file system. */
static int find_no_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		       char **file_name, Elf **elf)
{
	return -1;
}

/* The daemon has compared the build ids. Without one there is only a checksum of the whole file.
 * Tools that link by name alone leave a build id, too, as a rule; other files have no lines. */
static int find_debug(Dwfl_Module *dwfl_module, void **userdata, const char *name, Dwarf_Addr base,
		      const char *file_name, const char *link, GElf_Word crc, char **debug_name)
{
	struct elf_module *module = *userdata;
	const unsigned char *id;
	struct stat st;
	int fd;

	/* libdw asks again for each thing that it does not find, and each time costs a process. */
	if (module->debug_asked || !elf_module__build_id(module, &id))
		return -1;
	module->debug_asked = true;
	fd = module->find_debug(module->ctx, module->number, link);
	module->poor = fd == -EAGAIN;
	if (fd < 0)
		return -1;
	if (!fstat(fd, &st))
		module->bytes += st.st_size;
	return fd;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_no_elf,
	.find_debuginfo = find_debug,
	.section_address = dwfl_offline_section_address,
};

/* Sums of its numbers do not overflow. The kernel maps no other. */
static bool is_possible(const Elf64_Phdr *segment)
{
	uint64_t end;

	return !__builtin_add_overflow(segment->p_offset, segment->p_filesz, &end) &&
	       end <= INT64_MAX &&
	       !__builtin_add_overflow(segment->p_vaddr, segment->p_filesz, &end);
}

/* Where the code is, read by ourselves: libelf need not see what could not have been executed. */
static int read_segments(struct elf_module *module)
{
	_cleanup_free_ Elf64_Phdr *headers = NULL;
	Elf64_Ehdr header;
	bool executable = false;
	size_t size;

	if (elf_module__read(module, 0, &header, sizeof(header)) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != MACHINE ||
	    (header.e_type != ET_DYN && header.e_type != ET_EXEC) ||
	    header.e_phentsize != sizeof(*headers) || !header.e_phnum || header.e_phnum > PHNUM_MAX)
		return -EBADMSG;
	size = header.e_phnum * sizeof(*headers);
	headers = malloc(size);
	if (!headers)
		return -ENOMEM;
	if (elf_module__read(module, header.e_phoff, headers, size) != (ssize_t)size)
		return -EBADMSG;
	for (size_t i = 0; i < header.e_phnum && module->n_segments < SEGMENTS_MAX; i++) {
		if (headers[i].p_type != PT_LOAD || !is_possible(&headers[i]))
			continue;
		module->segments[module->n_segments++] = headers[i];
		executable |= headers[i].p_flags & PF_X;
	}
	return executable ? 0 : -EBADMSG;
}

static int load(struct elf_module *module)
{
	void **userdata;
	struct stat st;
	int err, fd;

	if (fstat(module->fd, &st))
		return -errno;
	module->bytes = st.st_size;
	err = read_segments(module);
	if (err)
		return err;
	module->dwfl = dwfl_begin(&callbacks);
	if (!module->dwfl)
		return -ENOMEM;
	fd = fcntl(module->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	module->module = dwfl_report_elf(module->dwfl, "module", "module", fd, 0, true);
	if (!module->module) {
		close(fd);
		return -EBADMSG;
	}
	dwfl_report_end(module->dwfl, NULL, NULL);
	dwfl_module_info(module->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = module;
	module->eh_cfi = dwfl_module_eh_cfi(module->module, &module->eh_bias);
	return 0;
}

int elf_module__load(struct elf_module *module)
{
	if (!module->tried) {
		module->tried = true;
		module->error = load(module);
		/* Then no address of it is looked up. */
		if (module->error)
			module->n_segments = 0;
	}
	return module->error;
}

size_t elf_module__build_id(const struct elf_module *module, const unsigned char **ret)
{
	GElf_Addr address;
	int len = 0;

	if (module->module)
		len = dwfl_module_build_id(module->module, ret, &address);
	return len > 0 && len <= WIRE_BUILD_ID_MAX ? len : 0;
}

bool elf_module__address(const struct elf_module *module, uint64_t offset, uint64_t *ret)
{
	for (size_t i = 0; i < module->n_segments; i++) {
		const Elf64_Phdr *segment = &module->segments[i];

		if (segment->p_flags & PF_X && offset >= segment->p_offset &&
		    offset - segment->p_offset < segment->p_filesz) {
			*ret = offset - segment->p_offset + segment->p_vaddr;
			return true;
		}
	}
	return false;
}

/* The segment that a mapping from `offset` on, in whole pages, is of. Two may share a page of the
 * file: the one that begins in it is meant. */
static const Elf64_Phdr *mapped_segment(const struct elf_module *module, uint64_t offset)
{
	const Elf64_Phdr *found = NULL;
	uint64_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < module->n_segments; i++) {
		const Elf64_Phdr *segment = &module->segments[i];

		if (segment->p_offset / page == offset / page)
			return segment;
		if (offset >= segment->p_offset && offset - segment->p_offset < segment->p_filesz)
			found = segment;
	}
	return found;
}

bool elf_module__place(const struct elf_module *module, uint64_t start, uint64_t offset,
		       uint64_t pc, struct code_place *ret)
{
	const Elf64_Phdr *mapped = mapped_segment(module, offset);
	uint64_t address;

	if (!mapped)
		return false;
	address = pc - start + offset - mapped->p_offset + mapped->p_vaddr;
	for (size_t i = 0; i < module->n_segments; i++) {
		const Elf64_Phdr *segment = &module->segments[i];
		uint64_t within = address - segment->p_vaddr;

		if (!(segment->p_flags & PF_X) || within >= segment->p_filesz)
			continue;
		*ret = (struct code_place){segment->p_offset + within, within,
					   segment->p_filesz - within};
		return true;
	}
	return false;
}

/* --- call frame information ---------------------------------------------------------------- */

static void look_up(struct elf_module *module, uint64_t address, struct cfi_site *ret)
{
	Dwarf_Frame *frame = NULL;

	if (!module->eh_cfi ||
	    dwarf_cfi_addrframe(module->eh_cfi, address - module->eh_bias, &frame)) {
		/* Go's, mostly; may ask for a debug file. */
		if (!module->debug_tried) {
			module->debug_tried = true;
			module->debug_cfi =
				dwfl_module_dwarf_cfi(module->module, &module->debug_bias);
		}
		if (!module->debug_cfi ||
		    dwarf_cfi_addrframe(module->debug_cfi, address - module->debug_bias, &frame))
			return;
	}
	ret->ra = dwarf_frame_info(frame, NULL, NULL, &ret->signal);
	ret->frame = frame;
}

const struct cfi_site *elf_module__cfi(struct elf_module *module, uint64_t address)
{
	struct site *site;

	HASH_FIND(hh, module->sites, &address, sizeof(address), site);
	if (site)
		return &site->cfi;
	if (HASH_COUNT(module->sites) >= SITES_MAX)
		drop_sites(module);
	site = calloc(1, sizeof(*site));
	if (!site)
		return NULL;
	site->address = address;
	look_up(module, address, &site->cfi);
	HASH_ADD(hh, module->sites, address, sizeof(site->address), site);
	if (!HASH_HAS(site)) {
		free(site->cfi.frame);
		free(site);
		return NULL;
	}
	return &site->cfi;
}

bool elf_module__function(struct elf_module *module, uint64_t address, struct function_start *ret)
{
	if (!module->functions && (elf_module__load(module) ||
				   functions__new(module->module, module->fd, module->segments,
						  module->n_segments, &module->functions)))
		return false;
	return functions__find(module->functions, address, ret);
}

/* --- what it exports ----------------------------------------------------------------------- */

static size_t match_exports(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			    const char *const *names, size_t n, uint64_t *ret)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t found = 0;
	GElf_Sym symbol;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);

		for (size_t k = 0; name && symbol.st_shndx != SHN_UNDEF && k < n; k++) {
			if (!strcmp(name, names[k])) {
				ret[k] = symbol.st_value;
				found |= (size_t)1 << k;
			}
		}
	}
	return found;
}

bool elf_module__exports(struct elf_module *module, const char *const *names, size_t n,
			 uint64_t *ret)
{
	size_t found = 0;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Addr bias;
	Elf *elf;

	if (module->lacks == names[0] || elf_module__load(module))
		return false;
	elf = dwfl_module_getelf(module->module, &bias);
	while (elf && (section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM)
			found |= match_exports(elf, section, &header, names, n, ret);
	}
	if (found == ((size_t)1 << n) - 1)
		return true;
	module->lacks = names[0];
	return false;
}
