// SPDX-License-Identifier: BSD-2-Clause
#include "history/cause.h"

#include <errno.h>

const struct cause causes[HISTORY_CAUSES] = {
	{EIO, "io", "the store fails"},
	{ENOSPC, "full", "the disk, or the bound, is full: the oldest and finest goes"},
	{EROFS, "read_only", "the store is read-only"},
	{EACCES, "open", "the store cannot be opened"},
	{EBADMSG, "damaged", "the store is damaged"},
	{ENOEXEC, "foreign", "the file is another program's"},
	{EPROTO, "newer", "the file is of a newer memprov"},
	{EAGAIN, "in_use", "another process writes the file"},
	{EBUSY, "busy", "a reader has kept the store for long"},
	{ENOMEM, "memory", "memory is short"},
	{ENOBUFS, "dropped", "more is observed than can be written"},
};

size_t cause__of(int err)
{
	size_t i = 0;

	while (i < HISTORY_CAUSES && causes[i].err != -err)
		i++;
	return i < HISTORY_CAUSES ? i : 0;
}
