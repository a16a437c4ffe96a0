// SPDX-License-Identifier: BSD-2-Clause
#include "proc/thp.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/number.h"

static bool read_text(int dirfd, const char *path, char *ret, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* Of "always [madvise] never": whether the word in brackets is this one. */
static bool is_chosen(int dirfd, const char *path, const char *word)
{
	char text[128], wanted[32];

	snprintf(wanted, sizeof(wanted), "[%s]", word);
	return read_text(dirfd, path, text, sizeof(text)) && strstr(text, wanted);
}

static bool is_used(int dirfd, const char *name)
{
	char path[NAME_MAX + sizeof("/enabled")];

	snprintf(path, sizeof(path), "%s/enabled", name);
	if (is_chosen(dirfd, path, "inherit"))
		return !is_chosen(dirfd, "enabled", "never");
	return is_chosen(dirfd, path, "always") || is_chosen(dirfd, path, "madvise");
}

bool thp__has_several_sizes(const char *dir)
{
	DIR *sizes = opendir(dir);
	uint64_t huge = 0;
	struct dirent *entry;
	bool found = false;
	char text[32];

	if (!sizes)
		return false;
	if (read_text(dirfd(sizes), "hpage_pmd_size", text, sizeof(text)))
		number__parse(text, 1, UINT64_MAX, &huge);
	while (!found && (entry = readdir(sizes))) {
		unsigned long kib;

		if (sscanf(entry->d_name, "hugepages-%lukB", &kib) == 1 && kib * 1024 != huge)
			found = is_used(dirfd(sizes), entry->d_name);
	}
	closedir(sizes);
	return found;
}
