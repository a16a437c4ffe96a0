// SPDX-License-Identifier: BSD-2-Clause
#include "child/cfi.h"

#include <dwarf.h>

#include "util/pac.h"

#define STACK_DEPTH 64
#define STEPS_MAX   1000 /* an expression can loop */

struct expression {
	const Dwarf_Op *ops;
	size_t n;
	struct machine *machine;
	struct copied_stack *stack;
	uint64_t bias;
	const uint64_t *cfa; /* NULL while it is being worked out */

	uint64_t values[STACK_DEPTH];
	size_t depth;
	bool is_value; /* not the address of the value, but itself */
};

static bool push(struct expression *e, uint64_t value)
{
	if (e->depth >= STACK_DEPTH)
		return false;
	e->values[e->depth++] = value;
	return true;
}

static bool pop(struct expression *e, uint64_t *ret)
{
	if (!e->depth)
		return false;
	*ret = e->values[--e->depth];
	return true;
}

static bool push_register(struct expression *e, uint64_t reg, uint64_t offset)
{
	uint64_t value;

	return reg < MACHINE_REGS && machine__get(e->machine, e->stack, reg, &value) &&
	       push(e, value + offset);
}

static bool dereference(struct expression *e, uint64_t size)
{
	uint64_t address, value;

	return size >= 1 && size <= 8 && pop(e, &address) &&
	       copied_stack__read(e->stack, address, size, &value) && push(e, value);
}

static bool pick(struct expression *e, uint64_t index)
{
	return index < e->depth && push(e, e->values[e->depth - 1 - index]);
}

static bool swap(struct expression *e)
{
	uint64_t a, b;

	return pop(e, &a) && pop(e, &b) && push(e, a) && push(e, b);
}

static bool rotate(struct expression *e)
{
	uint64_t a, b, c;

	return pop(e, &a) && pop(e, &b) && pop(e, &c) && push(e, a) && push(e, c) && push(e, b);
}

static bool unary(struct expression *e, unsigned atom, uint64_t operand)
{
	uint64_t a;

	if (!pop(e, &a))
		return false;
	switch (atom) {
	case DW_OP_plus_uconst:
		return push(e, a + operand);
	case DW_OP_neg:
		return push(e, -a);
	case DW_OP_not:
		return push(e, ~a);
	case DW_OP_abs:
		return push(e, (int64_t)a < 0 ? -a : a);
	}
	return false;
}

static bool divide(struct expression *e, int64_t a, int64_t b)
{
	if (!b || (a == INT64_MIN && b == -1))
		return false;
	return push(e, a / b);
}

static bool binary(struct expression *e, unsigned atom)
{
	uint64_t a, b;

	if (!pop(e, &b) || !pop(e, &a))
		return false;
	switch (atom) {
	case DW_OP_and:
		return push(e, a & b);
	case DW_OP_or:
		return push(e, a | b);
	case DW_OP_xor:
		return push(e, a ^ b);
	case DW_OP_plus:
		return push(e, a + b);
	case DW_OP_minus:
		return push(e, a - b);
	case DW_OP_mul:
		return push(e, a * b);
	case DW_OP_div:
		return divide(e, a, b);
	case DW_OP_mod:
		return b && push(e, a % b);
	case DW_OP_shl:
		return push(e, b < 64 ? a << b : 0);
	case DW_OP_shr:
		return push(e, b < 64 ? a >> b : 0);
	case DW_OP_shra:
		return push(e, (int64_t)a >> (b < 64 ? b : 63));
	case DW_OP_eq:
		return push(e, a == b);
	case DW_OP_ne:
		return push(e, a != b);
	case DW_OP_lt:
		return push(e, (int64_t)a < (int64_t)b);
	case DW_OP_le:
		return push(e, (int64_t)a <= (int64_t)b);
	case DW_OP_gt:
		return push(e, (int64_t)a > (int64_t)b);
	case DW_OP_ge:
		return push(e, (int64_t)a >= (int64_t)b);
	}
	return false;
}

/* Where a branch leads: the index of the operation that begins there. */
static bool jump(const struct expression *e, size_t *index)
{
	const Dwarf_Op *from = &e->ops[*index];
	/* A branch is three bytes long, and counts from its end. */
	Dwarf_Word target = from->offset + 3 + (int16_t)from->number;

	for (size_t i = 0; i < e->n; i++) {
		if (e->ops[i].offset == target) {
			*index = i;
			return true;
		}
	}
	if (target <= e->ops[e->n - 1].offset)
		return false;
	*index = e->n;
	return true;
}

static bool branch(struct expression *e, size_t *index)
{
	uint64_t condition = 1;

	if (e->ops[*index].atom == DW_OP_bra && !pop(e, &condition))
		return false;
	if (condition)
		return jump(e, index);
	++*index;
	return true;
}

static bool carry_out(struct expression *e, const Dwarf_Op *op)
{
	uint64_t unused;

	switch (op->atom) {
	case DW_OP_lit0 ... DW_OP_lit31:
		return push(e, op->atom - DW_OP_lit0);
	case DW_OP_reg0 ... DW_OP_reg31:
		e->is_value = true;
		return push_register(e, op->atom - DW_OP_reg0, 0);
	case DW_OP_regx:
		e->is_value = true;
		return push_register(e, op->number, 0);
	case DW_OP_breg0 ... DW_OP_breg31:
		return push_register(e, op->atom - DW_OP_breg0, op->number);
	case DW_OP_bregx:
		return push_register(e, op->number, op->number2);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(e, op->number);
	case DW_OP_addr:
		return push(e, op->number + e->bias);
	case DW_OP_dup:
		return pick(e, 0);
	case DW_OP_over:
		return pick(e, 1);
	case DW_OP_pick:
		return pick(e, op->number);
	case DW_OP_drop:
		return pop(e, &unused);
	case DW_OP_swap:
		return swap(e);
	case DW_OP_rot:
		return rotate(e);
	case DW_OP_deref:
		return dereference(e, sizeof(uint64_t));
	case DW_OP_deref_size:
		return dereference(e, op->number);
	case DW_OP_plus_uconst:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_abs:
		return unary(e, op->atom, op->number);
	case DW_OP_call_frame_cfa:
		return e->cfa && push(e, *e->cfa);
	case DW_OP_stack_value:
		e->is_value = true;
		return true;
	case DW_OP_nop:
		return true;
	}
	return binary(e, op->atom);
}

static bool evaluate(struct expression *e, uint64_t *ret)
{
	size_t steps = 0;

	for (size_t i = 0; i < e->n;) {
		if (++steps > STEPS_MAX)
			return false;
		if (e->ops[i].atom == DW_OP_bra || e->ops[i].atom == DW_OP_skip) {
			if (!branch(e, &i))
				return false;
			continue;
		}
		if (!carry_out(e, &e->ops[i++]))
			return false;
	}
	return pop(e, ret);
}

enum rule { RULE_VALUE, RULE_SAVED, RULE_SAME, RULE_UNDEFINED, RULE_UNKNOWN };

/* One register of the caller: its value, or the address where it was saved. */
static enum rule apply(const struct cfi_site *site, int reg, struct expression *e, uint64_t *ret)
{
	Dwarf_Op memory[3], *ops;
	uint64_t value;
	size_t n;

	if (dwarf_frame_register(site->frame, reg, memory, &ops, &n))
		return RULE_UNKNOWN;
	if (!n)
		return ops ? RULE_UNDEFINED : RULE_SAME;
	e->ops = ops;
	e->n = n;
	e->depth = 0;
	e->is_value = false;
	if (!evaluate(e, &value))
		return RULE_UNKNOWN;
	*ret = value;
	return e->is_value ? RULE_VALUE : RULE_SAVED;
}

static bool find_cfa(const struct cfi_site *site, struct expression *e, uint64_t *ret)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(site->frame, &ops, &n) || !n)
		return false;
	e->ops = ops;
	e->n = n;
	return evaluate(e, ret);
}

/* The return address column need not be a register that the program has. */
static enum rule find_return(const struct cfi_site *site, struct expression *e, uint64_t *ret)
{
	enum rule rule = apply(site, site->ra, e, ret);

	if (rule == RULE_SAVED)
		return copied_stack__read(e->stack, *ret, sizeof(*ret), ret) ? RULE_VALUE
									     : RULE_UNKNOWN;
	if (rule != RULE_SAME)
		return rule;
	/* Still where the call put it: of x86-64 that is no register. */
	if (site->ra == MACHINE_PC || !machine__get(e->machine, e->stack, site->ra, ret))
		return RULE_UNKNOWN;
	return RULE_VALUE;
}

static void recover(const struct cfi_site *site, unsigned reg, struct expression *e,
		    struct machine *caller)
{
	const struct machine *machine = e->machine;
	uint64_t value;

	switch (apply(site, reg, e, &value)) {
	case RULE_VALUE:
		machine__set(caller, reg, value);
		break;
	case RULE_SAVED:
		machine__set_saved(caller, reg, value);
		break;
	case RULE_SAME:
		caller->regs[reg] = machine->regs[reg];
		caller->known |= machine->known & 1ULL << reg;
		caller->in_memory |= machine->in_memory & 1ULL << reg;
		break;
	default:
		/* Mostly what calls destroy. Needing it is an error. */
		break;
	}
}

enum cfi_result cfi__step(const struct cfi_site *site, uint64_t bias, struct copied_stack *stack,
			  struct machine *machine)
{
	struct machine caller = {};
	struct expression e = {.machine = machine, .stack = stack, .bias = bias};
	uint64_t cfa, pc;

	if (site->ra < 0 || !find_cfa(site, &e, &cfa))
		return CFI_UNKNOWN;
	e.cfa = &cfa;
	switch (find_return(site, &e, &pc)) {
	case RULE_UNDEFINED:
		return CFI_OUTERMOST;
	case RULE_VALUE:
		break;
	default:
		return CFI_UNKNOWN;
	}
	for (unsigned reg = 0; reg < MACHINE_REGS; reg++) {
		if (reg != MACHINE_PC)
			recover(site, reg, &e, &caller);
	}
	if (!(caller.known >> MACHINE_SP & 1))
		machine__set(&caller, MACHINE_SP, cfa);
	machine__set(&caller, MACHINE_PC, pac__strip(pc));
	*machine = caller;
	return CFI_CALLER;
}

bool cfi__has_frame_pointer(const struct cfi_site *site)
{
	Dwarf_Op *ops;
	size_t n;

	/* Both processors' ABIs: the pair of frame pointer and return address lies below the CFA.
	 */
	return !dwarf_frame_cfa(site->frame, &ops, &n) && n == 1 &&
	       ((ops->atom == DW_OP_bregx && ops->number == MACHINE_FP && ops->number2 == 16) ||
		(ops->atom == DW_OP_breg0 + MACHINE_FP && ops->number == 16));
}
