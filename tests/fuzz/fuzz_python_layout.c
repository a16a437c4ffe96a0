// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as what CPython 3.13 or 3.14 says of its structures, and as a file that may be it. What
 * is accepted, the parent and BPF accept. */
#include "child/python_layout.h"
#include "elf_input.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mp_python_layout *layout)
{
	struct wire_python answer = {.head.type = WIRE_PYTHON, .file.layout = *layout};

	if (wire__check_python(&answer, sizeof(answer)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_input input = {data, size};
	struct elf_module *module = elf_input_module(&input);
	struct mp_python_layout layout;
	struct mp_python_file file;

	for (uint64_t minor = 10; minor < 16; minor++) {
		if (python_layout__of(3 << 24 | minor << 16 | 0xf0, data, size, &layout))
			check(&layout);
	}
	python_layout__find(module, &file);
	if (file.runtime)
		check(&file.layout);
	elf_module__free(module);
	return 0;
}
