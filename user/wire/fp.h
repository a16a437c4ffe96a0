/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be told of a caller without call frame information: pure, and careful, because a frame
 * pointer register may hold anything. A frame is taken only when its pointer lies further out in
 * the copied stack than everything before, and when the caller confirms the return address.
 */
#ifndef MEMPROV_FP_H
#define MEMPROV_FP_H

#include "wire/machine.h"

/* The frame that the frame pointer points to: false when there is none within the copy. *ret_pc is
 * where it returns to, *ret the caller's registers. */
bool fp__step(struct machine *machine, struct copied_stack *stack, struct machine *ret,
	      uint64_t *ret_pc);

/* Whether it points further out on the stack than the copy reaches. Of code that has other things
 * in the register this may be said, too. */
bool fp__leads_out(struct machine *machine, struct copied_stack *stack);

/* Where instructions may begin. */
#if defined(__x86_64__)
#define INSTRUCTION_STEP 1
#else
#define INSTRUCTION_STEP 4
#endif

#define CALL_LEN_MAX 8 /* bytes before a return address that tell */

/* Whether the bytes before a return address end with a call instruction. */
bool fp__is_call(const uint8_t *before, size_t len);

/* Where the call leads that ends there: false when it is none, or when a register says where. `pc`
 * is the return address. */
bool fp__call_target(const uint8_t *before, size_t len, uint64_t pc, uint64_t *ret);

/* A direct jump that the code begins with (CALL_LEN_MAX bytes): how far, from its first byte. */
bool fp__is_jump(const uint8_t *code, int32_t *ret);

/* Whether the code (CALL_LEN_MAX bytes, at `pc`) takes the address of what lies at a distance from
 * it, as of a function that is to be called by a register. Never on arm64, where it takes two
 * instructions. */
bool fp__takes_address(const uint8_t *code, uint64_t pc, uint64_t *ret);

/* An entry of a procedure linkage table, which calls to other modules go through. */
bool fp__is_import(const uint8_t *code);

/* How many bytes a function has pushed and reserved, by its first instructions up to a branch, to
 * one that is not known here, or to `done`, where it has got to: what follows on the stack is its
 * return address, unless it pushes more behind that. False when nothing is known. */
#define PROLOGUE_MAX 128 /* bytes of code that are enough */
bool fp__frame_size(const uint8_t *code, size_t len, uint64_t done, uint64_t *ret);

/* Where a function that has set up no frame returns to, and the caller's stack pointer. */
bool fp__leaf_return(struct machine *machine, struct copied_stack *stack, uint64_t *ret_pc,
		     uint64_t *ret_sp);

/* Whether the code there is what signal handlers return to, where that has no call frame
 * information; then the registers of what was interrupted. */
#define SIGRETURN_LEN 9 /* at most */
bool fp__is_sigreturn(const uint8_t *code, size_t len);
bool fp__step_signal(struct machine *machine, struct copied_stack *stack, struct machine *ret);

#endif
