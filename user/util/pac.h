/* SPDX-License-Identifier: BSD-2-Clause */
/* Pointer authentication of arm64, by which functions sign the address that they return to. */
#ifndef MEMPROV_PAC_H
#define MEMPROV_PAC_H

#include <stdint.h>

/* An instruction's address without the signature that it may have in memory and in registers: with
 * the stack pointer, that differs from thread to thread. User space has 48 bits there, unless a
 * program asks for more. */
static inline uint64_t pac__strip(uint64_t address)
{
#if defined(__aarch64__)
	return address & 0x0000ffffffffffff;
#else
	return address;
#endif
}

#endif
