// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as an ELF file whose build id is wanted. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc/build_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), err;
	struct build_id id;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	err = build_id__read(fd, &id);
	close(fd);
	if (id.len > BUILD_ID_MAX || !id.len != !!err || build_id__equal(&id, &id) != !err)
		abort();
	return 0;
}
