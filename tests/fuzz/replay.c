// SPDX-License-Identifier: BSD-2-Clause
/* Runs a fuzz target over kept inputs, as an ordinary test: files, or directories of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"
#include "util/cleanup.h"

#define INPUT_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *exact = NULL;
	_cleanup_buf_ struct buf input = {};
	int err;

	if (fd < 0)
		return -errno;
	err = buf__read_fd(&input, fd, INPUT_MAX);
	if (err)
		return err;
	/* Of the very length, so that AddressSanitizer sees a read beyond it. */
	exact = malloc(input.len ? input.len : 1);
	if (!exact)
		return -ENOMEM;
	memcpy(exact, input.data, input.len);
	LLVMFuzzerTestOneInput(exact, input.len);
	return 1;
}

/* How many inputs were run, or -errno. */
static int replay(const char *path)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0, err;

	if (!dir)
		return errno == ENOTDIR ? replay_file(AT_FDCWD, path) : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		err = replay_file(dirfd(dir), entry->d_name);
		if (err < 0)
			return err;
		n += err;
	}
	return n;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: %s: %s\n", name, argv[i],
				n ? strerror(-n) : "no inputs");
			return 1;
		}
		total += n;
	}
	printf("%s: %d inputs replayed\n", name, total);
	return total ? 0 : 1;
}
