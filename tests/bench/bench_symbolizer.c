// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long the symbolizer takes: bench_symbolizer COUNT PROGRAM ARGS… (a program that maps MAGIC
 * bytes: build/workloads/stacks). Prints the stack, the first answer's time, and the CPU time of
 * both sides for COUNT more.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "child/child.h"
#include "../unit/traced.h"
#include "symbolize/symbolizer.h"
#include "util/clock.h"

static double cpu(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print(const struct unwound *unwound)
{
	for (size_t i = 0; i < unwound->n; i++) {
		const struct frame *frame = &unwound->frames[i];

		printf("%3zu %s%s %s:%u %s+0x%" PRIx64 "\n", i, frame->function ?: "?",
		       frame->inlined ? " (inlined)" : "", frame->file ?: "?", frame->line,
		       frame->module ?: "?", frame->offset);
	}
	printf("source %d, %s, %zu words read\n", unwound->source,
	       unwound->truncated ? "truncated" : "complete", unwound->n_words);
}

int main(int argc, char **argv)
{
	struct symbolizer_config config = {.proc = "/proc",
					   .child_memory = 512 << 20,
					   .timeout_ms = 10000,
					   .launcher_capabilities = UINT64_MAX};
	struct unwind_request request = {};
	struct symbolizer *symbolizer;
	struct symbolizer_stats stats;
	struct unwound unwound;
	struct traced traced;
	struct arena *arena;
	uint64_t began;
	double before;
	int count;

	if (child__is_meant(argc, argv))
		return child__main(argc, argv);
	if (argc < 3)
		return 2;
	count = atoi(argv[1]);
	if (symbolizer__new(&config, &symbolizer))
		return 1;
	traced = traced__start(argv + 2, MP_STACK_MAX);
	request.tgid = traced.pid;
	request.start_ticks = traced.start_ticks;
	request.stack = traced.stack;
	arena = arena__new();
	began = clock__boot_ns();
	if (symbolizer__unwind(symbolizer, &request, arena, &unwound))
		return 1;
	printf("first: %.2f ms\n", (clock__boot_ns() - began) / 1e6);
	print(&unwound);
	before = cpu(RUSAGE_SELF);
	for (int i = 0; i < count; i++) {
		arena__free(arena);
		arena = arena__new();
		if (symbolizer__unwind(symbolizer, &request, arena, &unwound))
			return 1;
	}
	printf("%d more: parent %.2f s CPU\n", count, cpu(RUSAGE_SELF) - before);
	traced__end(&traced);
	before = cpu(RUSAGE_CHILDREN);
	symbolizer__stats(symbolizer, &stats);
	symbolizer__free(symbolizer);
	printf("child: %.2f s CPU in all, %" PRIu64 " restarts\n", cpu(RUSAGE_CHILDREN) - before,
	       stats.restarts);
	arena__free(arena);
	return 0;
}
