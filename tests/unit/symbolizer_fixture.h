/* SPDX-License-Identifier: BSD-2-Clause */
/* A symbolizer with a real child, for tests. */
#ifndef MEMPROV_SYMBOLIZER_FIXTURE_H
#define MEMPROV_SYMBOLIZER_FIXTURE_H

#include <errno.h>
#include <unistd.h>

#include "symbolize/symbolizer.h"
#include "traced.h"

#define STACKS "build/workloads/stacks"

struct fixture {
	struct symbolizer *symbolizer;
	struct arena *arena;
};

static inline int set_up(void **state)
{
	static struct fixture fixture;
	struct symbolizer_config config = {.proc = "/proc",
					   .child_memory = 512 << 20,
					   .timeout_ms = 10000,
					   .launcher_capabilities = UINT64_MAX};

	fixture.arena = arena__new();
	*state = &fixture;
	return symbolizer__new(&config, &fixture.symbolizer);
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	symbolizer__free(fixture->symbolizer);
	arena__free(fixture->arena);
	return 0;
}

static inline struct unwound unwind(struct fixture *fixture, const struct traced *traced)
{
	struct unwind_request request = {
		.tgid = traced->pid, .start_ticks = traced->start_ticks, .stack = traced->stack};
	struct unwound unwound;
	int err;

	/* A child may not be started yet. */
	while ((err = symbolizer__unwind(fixture->symbolizer, &request, fixture->arena,
					 &unwound)) == -EAGAIN)
		usleep(10000);
	assert_int_equal(err, 0);
	return unwound;
}

static inline void print(const struct unwound *unwound)
{
	for (size_t i = 0; i < unwound->n; i++)
		print_message("  %2zu %-28s %s+0x%lx %s:%u %s\n", i,
			      unwound->frames[i].function ?: "?", unwound->frames[i].module ?: "?",
			      unwound->frames[i].offset, unwound->frames[i].file ?: "?",
			      unwound->frames[i].line, unwound->frames[i].build_id ?: "");
	print_message("  source %d truncated %d words %zu\n", unwound->source, unwound->truncated,
		      unwound->n_words);
}

#endif
