// SPDX-License-Identifier: BSD-2-Clause
#include "child/python_layout.h"

#include <gelf.h>
#include <string.h>

#include "util/cleanup.h"

/* --- versions ------------------------------------------------------------------------------ */

/* PY_VERSION_HEX (Include/patchlevel.h). */
static unsigned minor_of(uint64_t version)
{
	unsigned level = version >> 4 & 15; /* 0xc: candidates, 0xf: final */

	return version >> 24 == 3 && level >= 0xc ? version >> 16 & 255 : 0;
}

/* Strings and bytes are the same since 3.12 (Include/cpython/unicodeobject.h, bytesobject.h); in
 * 3.11 strings have a word more, wstr, which those that are not ASCII have the length of, too. */
#define TEXTS(ascii, other)                                                                        \
	.text_length = 16, .text_state = 32, .text_ascii = (ascii), .text_other = (other),         \
	.bytes_length = 16, .bytes_data = 32

static const struct {
	unsigned minor;
	struct mp_python_layout layout;
} known[] = {
	{11,
	 {/* Include/internal/pycore_runtime.h: struct pyruntimestate */
	  .tstate_current = 576,
	  .interpreters = 40,
	  /* Include/internal/pycore_interp.h: struct _is */
	  .interpreter_next = 0,
	  .threads = 16,
	  /* Include/cpython/pystate.h: struct _ts, struct _PyCFrame */
	  .thread_next = 8,
	  .thread_id = 160,
	  .thread_frame = 56,
	  .through = 1,
	  .cframe_frame = 8,
	  .cframe_outer = 16,
	  /* Include/internal/pycore_frame.h: struct _PyInterpreterFrame */
	  .frame_size = 72,
	  .frame_code = 32,
	  .frame_previous = 48,
	  .frame_instr = 56,
	  .frame_entry = 68,
	  /* Include/cpython/code.h: struct PyCodeObject */
	  .code_size = 144,
	  .code_first_line = 72,
	  .code_file = 112,
	  .code_name = 128,
	  .code_lines = 136,
	  .code_instrs = 184,
	  TEXTS(48, 72)}},
	{12,
	 {/* The same files. Which thread has the GIL is said by thread-local storage alone. */
	  .interpreters = 40,
	  .interpreter_next = 0,
	  .threads = 72,
	  .thread_next = 8,
	  .thread_id = 144,
	  .thread_frame = 56,
	  .through = 1,
	  .frame_size = 72,
	  .frame_code = 0,
	  .frame_previous = 8,
	  .frame_instr = 56,
	  .frame_owner = 70,
	  .code_size = 144,
	  .code_first_line = 68,
	  .code_file = 112,
	  .code_name = 128,
	  .code_lines = 136,
	  .code_instrs = 192,
	  TEXTS(40, 56)}},
};

/* --- _Py_DebugOffsets ---------------------------------------------------------------------- */

#define COOKIE "xdebugpy"

/* Which words of it are what (Include/internal/pycore_runtime.h in 3.13, pycore_debug_offsets.h in
 * 3.14): cookie, version and free_threaded, then a group for each structure, whose first word is
 * its size. */
struct words {
	unsigned minor;
	uint8_t interpreters, interpreter_next, threads, thread_next, thread_frame, thread_id;
	uint8_t frame, code, bytes, text; /* where these groups begin */
};

static const struct words described[] = {
	/* runtime 3, interpreter 6, thread 19, frame 28, code 34, object 44, type 46, tuple 50,
	   list 53, dict 56, float 59, long 61, bytes 64, unicode 67 */
	{13, 5, 8, 9, 21, 23, 25, 28, 34, 64, 67},
	/* runtime 3, interpreter 6, thread 22, frame 31, code 39, object 50, type 52, tuple 56,
	   list 59, set 62, dict 66, float 69, long 71, bytes 74, unicode 77 */
	{14, 5, 8, 9, 24, 26, 28, 31, 39, 74, 77},
};

enum { VERSION = 1, FREE_THREADED = 2 };
enum { PREVIOUS = 1, EXECUTABLE, INSTR_PTR, LOCALSPLUS, OWNER };
enum { FILENAME = 1, NAME, QUALNAME, LINETABLE, FIRSTLINENO, ARGCOUNT, NAMES, KINDS, ADAPTIVE };
enum { OB_SIZE = 1, OB_SVAL };
enum { SIZE, STATE, LENGTH, ASCII_SIZE };

#define STRUCTURE_MAX 65536

/* What is read in one piece. */
static uint32_t most(const uint32_t *offsets, size_t n, uint32_t len)
{
	uint32_t end = 0;

	for (size_t i = 0; i < n; i++)
		end = offsets[i] + len > end ? offsets[i] + len : end;
	return end;
}

static uint32_t take(uint64_t offset, bool *ok)
{
	*ok &= offset < STRUCTURE_MAX;
	return offset;
}

static bool read_words(const struct words *at, const uint64_t *words, struct mp_python_layout *ret)
{
	const uint64_t *frame = words + at->frame, *code = words + at->code;
	const uint64_t *text = words + at->text, *bytes = words + at->bytes;
	bool ok = true;

	*ret = (struct mp_python_layout){
		.interpreters = take(words[at->interpreters], &ok),
		.interpreter_next = take(words[at->interpreter_next], &ok),
		.threads = take(words[at->threads], &ok),
		.thread_next = take(words[at->thread_next], &ok),
		.thread_id = take(words[at->thread_id], &ok),
		.thread_frame = take(words[at->thread_frame], &ok),
		.frame_code = take(frame[EXECUTABLE], &ok),
		.frame_previous = take(frame[PREVIOUS], &ok),
		.frame_instr = take(frame[INSTR_PTR], &ok),
		.frame_owner = take(frame[OWNER], &ok),
		.code_first_line = take(code[FIRSTLINENO], &ok),
		.code_file = take(code[FILENAME], &ok),
		.code_name = take(code[QUALNAME], &ok),
		.code_lines = take(code[LINETABLE], &ok),
		.code_instrs = take(code[ADAPTIVE], &ok),
		.text_length = take(text[LENGTH], &ok),
		.text_state = take(text[STATE], &ok),
		.text_ascii = take(text[ASCII_SIZE], &ok),
		/* Behind a string that is not compact (whose size this is) there is one word more.
		 */
		.text_other = take(text[SIZE] - sizeof(uint64_t), &ok),
		.bytes_length = take(bytes[OB_SIZE], &ok),
		.bytes_data = take(bytes[OB_SVAL], &ok),
	};
	ret->frame_size = most((uint32_t[]){ret->frame_code, ret->frame_previous, ret->frame_instr,
					    ret->frame_owner & ~7U},
			       4, sizeof(uint64_t));
	ret->code_size = most((uint32_t[]){ret->code_file, ret->code_name, ret->code_lines,
					   ret->code_first_line & ~7U},
			      4, sizeof(uint64_t));
	return ok && ret->frame_owner && ret->frame_size <= MP_PYTHON_FRAME_MAX &&
	       ret->code_size <= MP_PYTHON_CODE_MAX;
}

static bool read_offsets(unsigned minor, const uint8_t *runtime, size_t len,
			 struct mp_python_layout *ret)
{
	uint64_t words[PYTHON_OFFSETS_MAX / sizeof(uint64_t)] = {};

	memcpy(words, runtime, len < sizeof(words) ? len : sizeof(words));
	if (len < strlen(COOKIE) || memcmp(words, COOKIE, strlen(COOKIE)) ||
	    minor_of(words[VERSION]) != minor || words[FREE_THREADED])
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(described); i++) {
		const struct words *at = &described[i];

		if (at->minor != minor)
			continue;
		/* The last group that is read. */
		return len >= (at->text + ASCII_SIZE + 1) * sizeof(uint64_t) &&
		       read_words(at, words, ret);
	}
	return false;
}

bool python_layout__of(uint64_t version, const uint8_t *runtime, size_t len,
		       struct mp_python_layout *ret)
{
	unsigned minor = minor_of(version);
	struct mp_python_layout layout;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].minor == minor) {
			*ret = known[i].layout;
			return true;
		}
	}
	if (!read_offsets(minor, runtime, len, &layout))
		return false;
	*ret = layout;
	return true;
}

/* --- modules ------------------------------------------------------------------------------- */

struct wanted {
	const char *name;
	uint64_t address; /* 0: not found */
};

#define SYMBOLS_LOOKED_AT 1000000

static void look_at_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			    struct wanted *wanted, size_t n_wanted)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data ? data->d_size / sizeof(Elf64_Sym) : 0;

	for (size_t i = 0; i < n && i < SYMBOLS_LOOKED_AT; i++) {
		const char *name;
		GElf_Sym symbol;

		if (!gelf_getsym(data, i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
		    GELF_ST_TYPE(symbol.st_info) != STT_OBJECT)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		for (size_t k = 0; name && k < n_wanted; k++) {
			if (!wanted[k].address && !strcmp(name, wanted[k].name))
				wanted[k].address = symbol.st_value;
		}
	}
}

static void find_symbols(Elf *elf, struct wanted *wanted, size_t n_wanted)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB))
			look_at_symbols(elf, section, &header, wanted, n_wanted);
	}
}

/* What the file has at an address: how many bytes. */
static size_t read_at(const struct elf_module *module, Elf *elf, uint64_t address, void *ret,
		      size_t len)
{
	GElf_Phdr segment;
	ssize_t n;

	for (int i = 0; gelf_getphdr(elf, i, &segment); i++) {
		uint64_t within = address - segment.p_vaddr;

		if (segment.p_type != PT_LOAD || within >= segment.p_filesz)
			continue;
		if (len > segment.p_filesz - within)
			len = segment.p_filesz - within;
		n = elf_module__read(module, segment.p_offset + within, ret, len);
		return n > 0 ? n : 0;
	}
	return 0;
}

/* The first segment with code, in the order of addresses, which is that of the file. */
static bool find_code(Elf *elf, struct mp_python_file *file)
{
	GElf_Phdr segment;

	for (int i = 0; gelf_getphdr(elf, i, &segment); i++) {
		if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
			continue;
		file->code = segment.p_vaddr;
		file->shift = segment.p_vaddr - segment.p_offset;
		return true;
	}
	return false;
}

void python_layout__find(struct elf_module *module, struct mp_python_file *ret)
{
	struct wanted wanted[] = {{"_PyRuntime", 0}, {"Py_Version", 0}};
	struct mp_python_file file = {};
	uint8_t runtime[PYTHON_OFFSETS_MAX];
	uint64_t version = 0;
	GElf_Addr bias;
	size_t len;
	Elf *elf;

	*ret = file;
	elf = elf_module__load(module) ? NULL : dwfl_module_getelf(elf_module__dwfl(module), &bias);
	if (!elf || !find_code(elf, &file))
		return;
	find_symbols(elf, wanted, ARRAY_SIZE(wanted));
	if (!wanted[0].address || !wanted[1].address ||
	    read_at(module, elf, wanted[1].address, &version, sizeof(version)) != sizeof(version))
		return;
	len = read_at(module, elf, wanted[0].address, runtime, sizeof(runtime));
	if (!python_layout__of(version, runtime, len, &file.layout))
		return;
	file.runtime = wanted[0].address;
	*ret = file;
}
