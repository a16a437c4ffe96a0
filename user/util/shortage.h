/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMPROV_SHORTAGE_H
#define MEMPROV_SHORTAGE_H

#include <errno.h>
#include <stdbool.h>

/* Whether a call failed with -errno because there is too little of something now, and not because
 * of what it was asked: that says nothing about a process or a file. */
static inline bool is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS;
}

#endif
