// SPDX-License-Identifier: BSD-2-Clause
#include "proc/self.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "util/number.h"

pid_t self__pid(const char *proc)
{
	char path[PATH_MAX], text[32];
	uint64_t pid = getpid();
	ssize_t len;

	snprintf(path, sizeof(path), "%s/self", proc);
	len = readlink(path, text, sizeof(text) - 1);
	if (len > 0) {
		text[len] = '\0';
		number__parse(text, 1, INT_MAX, &pid);
	}
	return pid;
}

bool self__is_in(const char *proc)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/self/stat", proc);
	return !access(path, F_OK);
}
