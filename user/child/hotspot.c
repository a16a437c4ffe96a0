// SPDX-License-Identifier: BSD-2-Clause
#include "child/hotspot.h"

#include <string.h>

#include "child/hotspot_code.h"
#include "child/hotspot_method.h"
#include "util/clock.h"
#include "util/pac.h"

#define WORD	   ((int)sizeof(uint64_t))
#define STUB_FRAME 512 /* bytes from a stub's stack pointer to its frame, if it has one */

/* Slots of an interpreter's frame, in words from its frame pointer (cpu/x86/frame_x86.hpp,
 * cpu/aarch64/frame_aarch64.hpp: the same in 17, 21 and 25), and the register that has the
 * bytecode's address while it runs (templateInterpreter: r13, rbcp). */
enum { SENDER_SP_SLOT = -1, METHOD_SLOT = -3 };
#if defined(__x86_64__)
enum { BCP_SLOT = -8, BCP_REGISTER = 13 };
#else
enum { BCP_SLOT = -9, BCP_REGISTER = 22 };
#endif

/* --- libjvm.so ----------------------------------------------------------------------------- */

void hotspot__look_again(struct hotspot *hotspot)
{
	hotspot->looked = false;
}

static bool look_for_vm(const struct hotspot_question *question, const struct code_row **ret_row,
			uint64_t symbols[HOTSPOT_SYMBOLS])
{
	for (size_t i = 0; i < question->map->n; i++) {
		const struct code_row *row = &question->map->rows[i];

		if (!row->module || row->wire.beside)
			continue;
		question->enter(question->ctx, row);
		if (elf_module__exports(row->module, hotspot_symbols, HOTSPOT_SYMBOLS, symbols)) {
			*ret_row = row;
			return true;
		}
	}
	return false;
}

static bool find_vm(const struct hotspot_question *question, const struct code_row **ret_row,
		    uint64_t symbols[HOTSPOT_SYMBOLS])
{
	bool found = look_for_vm(question, ret_row, symbols);

	question->enter(question->ctx, NULL);
	return found;
}

/* Of a process whose map has only grown, what was read stays. */
static bool is_ready(struct hotspot *hotspot, const struct hotspot_question *question)
{
	uint64_t symbols[HOTSPOT_SYMBOLS], address, base;
	const struct code_row *row;

	if (hotspot->looked &&
	    (!hotspot->failed_ns || clock__boot_ns() - hotspot->failed_ns < NSEC_PER_SEC))
		return hotspot->known;
	hotspot->looked = true;
	hotspot->failed_ns = 0;
	if (!find_vm(question, &row, symbols) ||
	    !elf_module__address(row->module, row->wire.offset, &address)) {
		hotspot->known = false;
		return false;
	}
	base = row->wire.start - address;
	if (hotspot->known && hotspot->vm == row->module && hotspot->base == base)
		return true;
	for (size_t i = 0; i < HOTSPOT_SYMBOLS; i++)
		symbols[i] += base;
	hotspot->vm = row->module;
	hotspot->base = base;
	hotspot->known = hotspot_layout__read(question->remote, symbols, &hotspot->layout);
	if (!hotspot->known)
		hotspot->failed_ns = clock__boot_ns();
	return hotspot->known;
}

/* --- to the caller ------------------------------------------------------------------------- */

/* A frame's place on the stack, as far as its code tells. */
struct place {
	struct machine machine;
	struct copied_stack *stack;
	bool innermost; /* it was interrupted, and has not called */
};

static bool read_word(const struct place *place, uint64_t at, uint64_t *ret)
{
	return copied_stack__read(place->stack, at, sizeof(*ret), ret);
}

/* One that decides by its value. */
static bool read_counting(const struct place *place, uint64_t at, uint64_t *ret)
{
	if (!read_word(place, at, ret))
		return false;
	copied_stack__count(place->stack, at);
	return true;
}

/* The caller's, whose return address lies at `at`. */
static bool return_to(const struct place *place, uint64_t at, uint64_t sp, struct machine *ret)
{
	uint64_t pc;

	if (!read_word(place, at, &pc))
		return false;
	*ret = (struct machine){};
	machine__set(ret, MACHINE_PC, pac__strip(pc));
	machine__set(ret, MACHINE_SP, sp);
	return true;
}

/* With its frame pointer saved in front of the return address, as by all that have a frame. */
static bool leave_frame(const struct place *place, uint64_t fp, uint64_t sp, struct machine *ret)
{
	if (!return_to(place, fp + WORD, sp, ret))
		return false;
	machine__set_saved(ret, MACHINE_FP, fp);
	return true;
}

/* Without a frame: the frame pointer still is the caller's. */
static bool leave_frameless(struct place *place, uint64_t skip, struct machine *ret)
{
	uint64_t sp, fp;
	bool has_fp = machine__get(&place->machine, place->stack, MACHINE_FP, &fp);

	if (!machine__get(&place->machine, place->stack, MACHINE_SP, &sp))
		return false;
#if defined(__aarch64__)
	if (!skip) {
		uint64_t pc;

		if (!machine__get(&place->machine, place->stack, MACHINE_LR, &pc))
			return false;
		*ret = (struct machine){};
		machine__set(ret, MACHINE_PC, pac__strip(pc));
		machine__set(ret, MACHINE_SP, sp);
	} else
#endif
		if (!return_to(place, sp + skip, sp + skip + WORD, ret))
		return false;
	if (skip)
		machine__set_saved(ret, MACHINE_FP, sp);
	else if (has_fp)
		machine__set(ret, MACHINE_FP, fp);
	return true;
}

static bool leave_by_fp(struct place *place, struct machine *ret)
{
	uint64_t fp;

	return machine__get(&place->machine, place->stack, MACHINE_FP, &fp) &&
	       leave_frame(place, fp, fp + 2 * WORD, ret);
}

/* How far the frame's caller lies is known, once the frame is made. */
static bool leave_by_size(struct place *place, const struct hotspot_blob *blob, struct machine *ret)
{
	uint64_t sp, end;

	if (!machine__get(&place->machine, place->stack, MACHINE_SP, &sp) || blob->frame_words < 2)
		return false;
	end = sp + (uint64_t)blob->frame_words * WORD;
	return leave_frame(place, end - 2 * WORD, end, ret);
}

/* --- what a frame is ----------------------------------------------------------------------- */

struct crossing {
	struct hotspot *hotspot;
	const struct hotspot_question *question;
	struct place place;
	uint64_t pc; /* where it returns to, or has come to */
	struct made_frame *ret;
};

static struct symbol *new_symbols(const struct crossing *crossing, size_t n)
{
	return arena__alloc(crossing->question->arena, n * sizeof(struct symbol));
}

static bool add_method(struct crossing *crossing, struct symbol *symbols, uint64_t method,
		       int32_t bci)
{
	if (!hotspot_method__name(crossing->question->remote, &crossing->hotspot->layout, method,
				  bci, crossing->question->arena, &symbols[crossing->ret->n]))
		return false;
	crossing->ret->symbols = symbols;
	crossing->ret->n++;
	return true;
}

static void name_compiled(struct crossing *crossing, const struct hotspot_blob *blob)
{
	struct hotspot_scope scopes[SYMBOLS_MAX];
	size_t n = hotspot_code__scopes(crossing->question->remote, &crossing->hotspot->layout,
					blob, crossing->pc, scopes);
	struct symbol *symbols = new_symbols(crossing, n + 1);

	for (size_t i = 0; symbols && i < n; i++) {
		if (!add_method(crossing, symbols, scopes[i].method, scopes[i].bci))
			return;
		symbols[i].inlined = i + 1 < n;
	}
}

/* As HotSpot calls its stubs in its own stacks, but without what tells its pieces apart:
 * "StubRoutines (2)". */
static void name_stub(struct crossing *crossing, const char *name)
{
	struct symbol *symbol = new_symbols(crossing, 1);
	const char *end = strstr(name, " (");

	if (!symbol)
		return;
	symbol->function = arena__printf(crossing->question->arena, "~%.*s",
					 end ? (int)(end - name) : HOTSPOT_NAME_MAX, name);
	symbol->language = FRAME_OF_JAVA;
	crossing->ret->symbols = symbol;
	crossing->ret->n = symbol->function != NULL;
}

/* Whether the word on top of the stack is a return address to compiled or interpreted code. */
static bool is_frameless(struct crossing *crossing)
{
	struct place *place = &crossing->place;
	struct hotspot_blob blob;
	uint64_t sp, pc;

	return machine__get(&place->machine, place->stack, MACHINE_SP, &sp) &&
	       read_counting(place, sp, &pc) &&
	       hotspot_code__find(crossing->question->remote, &crossing->hotspot->layout,
				  pac__strip(pc) - 1, &blob) &&
	       blob.kind != HOTSPOT_STUBS;
}

static bool leave_compiled(struct crossing *crossing, const struct hotspot_blob *blob)
{
	struct machine *caller = &crossing->ret->caller;
	bool is_made = blob->frame_complete >= 0 &&
		       crossing->pc - blob->code >= (uint64_t)blob->frame_complete;

	if (!crossing->place.innermost || is_made)
		return leave_by_size(&crossing->place, blob, caller);
	/* Before, and behind the instruction that saves the frame pointer. */
	return leave_frameless(&crossing->place, is_frameless(crossing) ? 0 : WORD, caller);
}

static void cross_compiled(struct crossing *crossing, const struct hotspot_blob *blob)
{
	struct place *place = &crossing->place;
	uint64_t offset, sp;

	if (!place->innermost &&
	    hotspot_code__is_deoptimised(crossing->question->remote, &crossing->hotspot->layout,
					 blob, crossing->pc, &offset) &&
	    machine__get(&place->machine, place->stack, MACHINE_SP, &sp))
		read_word(place, sp + offset, &crossing->pc);
	name_compiled(crossing, blob);
	crossing->ret->has_caller = leave_compiled(crossing, blob);
}

/* The register has the bytecode while the interpreter runs, the frame while it has called. */
static int32_t interpreted_bci(struct crossing *crossing, uint64_t fp, uint64_t method)
{
	const struct hotspot_layout *layout = &crossing->hotspot->layout;
	struct place *place = &crossing->place;
	int32_t bci = HOTSPOT_NO_BCI;
	uint64_t bcp;

	/* No known stack tells that register. */
	crossing->ret->is_once |= place->innermost;
	if (place->innermost && machine__get(&place->machine, place->stack, BCP_REGISTER, &bcp))
		bci = hotspot_method__bci(crossing->question->remote, layout, method, bcp);
	if (bci == HOTSPOT_NO_BCI && read_counting(place, fp + BCP_SLOT * WORD, &bcp))
		bci = hotspot_method__bci(crossing->question->remote, layout, method, bcp);
	return bci;
}

static void cross_interpreted(struct crossing *crossing)
{
	struct symbol *symbol = new_symbols(crossing, 1);
	struct place *place = &crossing->place;
	uint64_t fp, method, sp;

	if (!symbol || !machine__get(&place->machine, place->stack, MACHINE_FP, &fp))
		return;
	if (!read_counting(place, fp + METHOD_SLOT * WORD, &method) ||
	    !add_method(crossing, symbol, method, interpreted_bci(crossing, fp, method))) {
		/* An entry, whose frame is not made yet. */
		crossing->ret->has_caller = place->innermost && is_frameless(crossing) &&
					    leave_frameless(place, 0, &crossing->ret->caller);
		return;
	}
	/* Compiled code that calls it has its stack pointer where it had it before an adapter put
	 * the arguments on the stack. */
	crossing->ret->has_caller = read_word(place, fp + SENDER_SP_SLOT * WORD, &sp) && sp > fp &&
				    leave_frame(place, fp, sp, &crossing->ret->caller);
}

/* Those that call or take long make a frame, near the stack pointer; the others are called from
 * frames that lie further out. */
static bool leave_stub(struct crossing *crossing)
{
	struct place *place = &crossing->place;
	uint64_t sp, fp;

	if (machine__get(&place->machine, place->stack, MACHINE_SP, &sp) &&
	    machine__get(&place->machine, place->stack, MACHINE_FP, &fp) && fp >= sp &&
	    fp - sp < STUB_FRAME && !(place->innermost && is_frameless(crossing)))
		return leave_by_fp(place, &crossing->ret->caller);
	return leave_frameless(place, 0, &crossing->ret->caller);
}

/* Java was called from machine code there. */
static bool is_call_stub(const struct crossing *crossing)
{
	uint64_t call_stub;

	return remote__word(crossing->question->remote,
			    crossing->hotspot->layout.at[CALL_STUB_RETURN_AT], &call_stub) &&
	       call_stub == crossing->pc;
}

static void cross_stub(struct crossing *crossing, const struct hotspot_blob *blob)
{
	bool is_call = is_call_stub(crossing);

	name_stub(crossing, is_call ? "StubRoutines::call_stub" : blob->name);
	crossing->ret->has_caller = is_call ? leave_by_fp(&crossing->place, &crossing->ret->caller)
					    : leave_stub(crossing);
}

static void cross(struct crossing *crossing, const struct hotspot_blob *blob)
{
	switch (blob->kind) {
	case HOTSPOT_COMPILED:
		cross_compiled(crossing, blob);
		return;
	case HOTSPOT_INTERPRETER:
		cross_interpreted(crossing);
		return;
	case HOTSPOT_RUNTIME:
		name_stub(crossing, blob->name);
		crossing->ret->has_caller = leave_compiled(crossing, blob);
		return;
	case HOTSPOT_STUBS:
		cross_stub(crossing, blob);
		return;
	case HOTSPOT_FRAMELESS:
		name_stub(crossing, blob->name);
		crossing->ret->has_caller =
			leave_frameless(&crossing->place, 0, &crossing->ret->caller);
		return;
	}
}

bool hotspot__frame(struct hotspot *hotspot, const struct hotspot_question *question,
		    const struct found_frame *frame, const struct machine *machine,
		    struct copied_stack *stack, struct made_frame *ret)
{
	struct crossing crossing = {
		.hotspot = hotspot,
		.question = question,
		.place = {.stack = stack, .innermost = frame->ip == frame->pc},
		.pc = frame->ip,
		.ret = ret,
	};
	struct hotspot_blob blob;

	*ret = (struct made_frame){};
	question->enter(question->ctx, NULL);
	if (!is_ready(hotspot, question) ||
	    !hotspot_code__find(question->remote, &hotspot->layout, frame->pc, &blob))
		return false;
	if (!machine) {
		if (blob.kind == HOTSPOT_COMPILED)
			name_compiled(&crossing, &blob);
		return true;
	}
	crossing.place.machine = *machine;
	cross(&crossing, &blob);
	return true;
}
