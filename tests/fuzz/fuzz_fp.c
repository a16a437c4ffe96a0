// SPDX-License-Identifier: BSD-2-Clause
/* Any registers and stack, followed by frame pointers; and any bytes as code. */
#include "stack_input.h"

#include "wire/fp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_code(const uint8_t *data, size_t size)
{
	uint8_t code[CALL_LEN_MAX] = {};
	size_t len = size < sizeof(code) ? size : sizeof(code);
	uint64_t target;
	int32_t distance;

	memcpy(code, data, len);
	if (fp__call_target(data, len, INPUT_SP, &target) && !fp__is_call(data, len))
		abort();
	fp__is_jump(code, &distance);
	fp__is_import(code);
	fp__takes_address(code, INPUT_SP, &target);
	fp__frame_size(data, size, size, &target);
	fp__is_sigreturn(data, size);
}

static void check_stack(const struct mp_stack *stack)
{
	struct machine machine, caller;
	struct copied_stack copied = stack_input_copy(stack, &machine);
	uint64_t pc, sp;
	uint32_t out, last = 0;

	fp__leaf_return(&machine, &copied, &pc, &sp);
	fp__step_signal(&machine, &copied, &caller);
	while (fp__step(&machine, &copied, &caller, &pc)) {
		/* Further out, or this would never end. */
		if (!machine__get(&caller, &copied, MACHINE_SP, &sp) ||
		    !copied_stack__offset(&copied, sp - 16, &out) || out + 16 <= last)
			abort();
		last = out + 16;
		machine = caller;
	}
	stack_input_check(&copied);
	free(copied.words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_stack *stack = stack_input(data, size);

	check_code(data, size);
	if (stack && stack->kind == MP_STACK_COPY)
		check_stack(stack);
	free(stack);
	return 0;
}
