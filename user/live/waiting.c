// SPDX-License-Identifier: BSD-2-Clause
#include "live/waiting.h"

#include <string.h>

size_t waiting__bytes(const struct raw_stack *raw)
{
	return sizeof(struct waiting) + sizeof(*raw->stack) + raw->bytes +
	       raw->stack->python * sizeof(uint64_t);
}

struct waiting *waiting__new(struct spare *spare, struct bundle **open, const struct raw_stack *raw)
{
	size_t bytes = waiting__bytes(raw);
	struct bundle *bundle;
	struct waiting *waiting = bundle__cut(spare, open, bytes, &bundle);
	struct mp_stack *stack;

	if (!waiting)
		return NULL;
	*waiting = (struct waiting){.raw = *raw, .bundle = bundle, .bytes = bytes};
	stack = memcpy(waiting->copy, raw->stack, sizeof(*stack) + raw->bytes);
	stack->bytes = raw->bytes;
	memcpy(stack->data + stack->bytes, raw->stack->data + raw->stack->bytes,
	       stack->python * sizeof(uint64_t));
	waiting->raw.stack = stack;
	trace__ref(raw->trace);
	return waiting;
}

size_t waiting__free(struct spare *spare, struct waiting *waiting)
{
	trace__unref(waiting->raw.trace);
	return bundle__put(spare, waiting->bundle);
}
