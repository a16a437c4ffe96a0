/* SPDX-License-Identifier: BSD-2-Clause */
/* Gives up everything but reading what is already open: for the child, before it reads a file. */
#ifndef MEMPROV_SANDBOX_H
#define MEMPROV_SANDBOX_H

#include <stdint.h>

/*
 * Keeps `keep` and closes every other descriptor. Afterwards: no capability and no way to one, user
 * nobody, no file system (an empty one, where that can be had), no network; system calls are those
 * of a program that computes and talks over what it has, opening files is refused, anything else
 * kills. `memory` bounds the address space in bytes. 0 or -errno: then the caller should end.
 */
int sandbox__enter(int keep, uint64_t memory);

#endif
