// SPDX-License-Identifier: BSD-2-Clause
/*
 * A stream of event records of any bytes, through decoder and model: each is a length (one byte)
 * and that many bytes. Whatever comes, the ledgers stay ordered and whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "proc/procfs.h"

#define PAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_order(const struct ledger_range *range, void *ctx)
{
	uint64_t *end = ctx;

	if (range->start >= range->end || range->start < *end || range->start % PAGE ||
	    range->end % PAGE || !range->record->refs)
		abort();
	*end = range->end;
	return 0;
}

static int check_touch(const struct touch *touch, void *ctx)
{
	uint64_t *next = ctx;

	if (touch->addr < *next || touch->addr % PAGE || !touch->trace || !touch->faults)
		abort();
	*next = touch->addr + 1;
	return 0;
}

/* Whose stacks cannot be known. */
static bool on_stack(const struct raw_stack *raw, void *ctx)
{
	return false;
}

/* Answers some names at once, refuses others. */
static bool on_late_name(struct model *model, const struct late_name *name, void *ctx)
{
	if (name->name_ptr & 1)
		return false;
	model__name_was_read(model, name, name->name_ptr & 2 ? "late" : NULL);
	return true;
}

static void check(struct model *model)
{
	struct known_process *known;
	size_t n;

	if (model__processes(model, &known, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		struct vma maps[] = {{.start = 16 * PAGE, .end = 4096 * PAGE, .kind = VMA_HEAP}};
		struct vma_set set = {.vmas = maps, .n = 1};
		struct view view;
		uint64_t end = 0;

		if (model__view(model, known[i].tgid, &view))
			abort();
		ledger__each(&view.ledger, 0, UINT64_MAX, check_order, &end);
		end = 0;
		touches__each(&view.touches, 0, UINT64_MAX, check_touch, &end);
		model__learn(model, known[i].tgid,
			     &(struct proc_stat){.start_ticks = known[i].start_ticks, .comm = "x"},
			     view.space_id, UINT64_MAX / 2, &set);
		end = 0;
		ledger__each(&view.ledger, 0, UINT64_MAX, check_order, &end);
		view__free(&view);
	}
	free(known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *model = NULL;
	struct model_config config = {
		.page_size = PAGE, .on_late_name = on_late_name, .on_stack = on_stack};
	struct mp_lost_range lost = {PAGE, 64 * PAGE, UINT64_MAX, 1};

	model = model__new(&config);
	while (size) {
		_Alignas(8) uint8_t record[256] = {0};
		const union mp_event *event;
		size_t len = data[0] < size - 1 ? data[0] : size - 1;

		memcpy(record, data + 1, len);
		if (!event__decode(record, len, &event))
			model__apply(model, event);
		else if (len & 1)
			model__lost(model, record[0], &lost);
		else if (len)
			model__empty_lost(model, record[0], &lost);
		data += len + 1;
		size -= len + 1;
	}
	check(model);
	model__free(model);
	return 0;
}
