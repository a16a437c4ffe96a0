/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call frame information (DWARF 5, 6.4) carried out: the caller's registers from the callee's.
 *
 * libdw finds and reads the rules; they are applied here and not by libdwfl, which falls back to
 * frame pointers without saying so, and does not tell an outermost frame from a failure.
 */
#ifndef MEMPROV_CFI_H
#define MEMPROV_CFI_H

#include "child/elf_module.h"
#include "wire/machine.h"

enum cfi_result {
	CFI_CALLER,    /* *machine is the caller's */
	CFI_OUTERMOST, /* there is none: the return address is undefined */
	CFI_UNKNOWN,   /* it needs what is not known: outside the copy, or a lost register */
};

/* `bias` is what lies between the addresses of the process and those of the file. */
enum cfi_result cfi__step(const struct cfi_site *site, uint64_t bias, struct copied_stack *stack,
			  struct machine *machine);

/* True when the function has set up a frame pointer by then: following it leads to the caller, and
 * not past it. */
bool cfi__has_frame_pointer(const struct cfi_site *site);

#endif
