// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "model/model_parts.h"

void interpreters__apply(const struct model *model, const struct process *process,
			 const struct mp_event_interpreter *e)
{
	struct interpreter interpreter = {
		.tgid = process->tgid,
		.start_ticks = process->start_ticks,
		.space_id = process->space->id,
		.seen_ns = e->head.time_ns,
		.addr = e->addr,
		.has_file = true,
		.file = e->file,
	};

	if (model->config.on_interpreter)
		model->config.on_interpreter(&interpreter, model->config.stack_ctx);
}

/* As bpf/python.bpf.h has it. */
static bool is_interpreter(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && (!strncmp(name, "/python", 7) || !strncmp(name, "/libpython", 10));
}

void interpreters__look(const struct model *model, const struct process *process,
			const struct vma_set *maps, uint64_t began_ns)
{
	struct interpreter interpreter = {.tgid = process->tgid,
					  .start_ticks = process->start_ticks,
					  .space_id = process->space->id,
					  .seen_ns = began_ns};

	for (size_t i = 0; model->config.on_interpreter && i < maps->n; i++) {
		const struct vma *vma = &maps->vmas[i];

		if (vma->kind != VMA_FILE || vma->perms[2] != 'x' ||
		    !is_interpreter(vma_set__name(maps, vma)))
			continue;
		interpreter.addr = vma->start;
		model->config.on_interpreter(&interpreter, model->config.stack_ctx);
	}
}

bool model__is_in_space(const struct model *model, const struct interpreter *interpreter)
{
	const struct process *process = model__find(model, interpreter->tgid);

	return process && process->start_ticks == interpreter->start_ticks &&
	       process->space->id == interpreter->space_id;
}
