// SPDX-License-Identifier: BSD-2-Clause
#include "wire/fp.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "util/cleanup.h"
#include "util/pac.h"

/* How far below the stack pointer a frame may begin: of Go's functions on arm64, the return address
 * lies at the stack pointer. */
#if defined(__aarch64__)
#define FP_BELOW 8
#else
#define FP_BELOW 0
#endif

bool fp__step(struct machine *machine, struct copied_stack *stack, struct machine *ret,
	      uint64_t *ret_pc)
{
	uint32_t out, fp_out;
	uint64_t sp, fp, pc;

	if (!machine__get(machine, stack, MACHINE_SP, &sp) ||
	    !machine__get(machine, stack, MACHINE_FP, &fp) || fp % sizeof(fp) ||
	    !copied_stack__offset(stack, fp, &fp_out))
		return false;
	if (copied_stack__offset(stack, sp, &out) ? fp_out + FP_BELOW < out : fp < sp)
		return false;
	/* Both processors' ABIs: the caller's frame pointer, then the return address. */
	if (!copied_stack__read(stack, fp + 8, sizeof(pc), &pc))
		return false;
	*ret = (struct machine){};
	machine__set_saved(ret, MACHINE_FP, fp);
	machine__set(ret, MACHINE_SP, fp + 16);
	machine__set(ret, MACHINE_PC, pac__strip(pc));
	*ret_pc = pac__strip(pc);
	return true;
}

#define STACK_MAX (8u << 20) /* as large as stacks are, as a rule */

bool fp__leads_out(struct machine *machine, struct copied_stack *stack)
{
	uint64_t sp, fp;
	uint32_t out;

	return machine__get(machine, stack, MACHINE_SP, &sp) &&
	       machine__get(machine, stack, MACHINE_FP, &fp) && fp % sizeof(fp) == 0 && fp > sp &&
	       fp - sp < STACK_MAX && !copied_stack__offset(stack, fp + 8, &out);
}

#if defined(__x86_64__)

static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

/* How long an instruction is from its opcode, of one byte, by its ModRM and SIB bytes; without what
 * is immediate. */
static size_t modrm_len(uint8_t modrm, uint8_t sib)
{
	unsigned mod = modrm >> 6, rm = modrm & 7;
	size_t len = 2;

	if (mod != 3 && rm == 4)
		len++;
	if (mod == 1)
		len += 1;
	else if (mod == 2 || (!mod && (rm == 5 || (rm == 4 && (sib & 7) == 5))))
		len += 4;
	return len;
}

bool fp__is_call(const uint8_t *before, size_t len)
{
	const uint8_t *end = before + len;

	if (len >= 5 && end[-5] == 0xe8)
		return true;
	for (size_t n = 2; n <= 7 && n <= len; n++) {
		const uint8_t *at = end - n;

		if (at[0] == 0xff && (at[1] >> 3 & 7) == 2 &&
		    modrm_len(at[1], n > 2 ? at[2] : 0) == n)
			return true;
	}
	return false;
}

bool fp__call_target(const uint8_t *before, size_t len, uint64_t pc, uint64_t *ret)
{
	int32_t distance;

	if (len < 5 || before[len - 5] != 0xe8)
		return false;
	memcpy(&distance, before + len - 4, sizeof(distance));
	*ret = pc + distance;
	return true;
}

bool fp__is_jump(const uint8_t *code, int32_t *ret)
{
	if (code[0] != 0xe9)
		return false;
	memcpy(ret, code + 1, sizeof(*ret));
	*ret += 5; /* from behind it */
	return true;
}

/* lea distance(%rip), %reg */
bool fp__takes_address(const uint8_t *code, uint64_t pc, uint64_t *ret)
{
	int32_t distance;

	if ((code[0] & ~4) != 0x48 || code[1] != 0x8d || (code[2] & 0xc7) != 5)
		return false;
	memcpy(&distance, code + 3, sizeof(distance));
	*ret = pc + 7 + distance;
	return true;
}

/* jmp *GOT(%rip), perhaps behind endbr64. */
bool fp__is_import(const uint8_t *code)
{
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		code += sizeof(endbr64);
	return (code[0] == 0xff && code[1] == 0x25) ||
	       (code[0] == 0xf2 && code[1] == 0xff && code[2] == 0x25);
}

enum { REG_STACK = 4 }; /* as instructions number the stack pointer */

static bool is_one_of(uint8_t byte, const char *bytes, size_t n)
{
	return memchr(bytes, byte, n);
}

/* Of the instruction behind its prefixes, which neither branches nor is known to move the stack
 * pointer: how long it is; 0: it may be another one. */
static size_t plain_len(uint8_t rex, const uint8_t *code)
{
	/* mov, lea, movslq, test, xor, cmp, add, sub, and, or: with a ModRM byte. */
	static const char with_modrm[] = "\x88\x89\x8a\x8b\x8d\x63\x84\x85\x31\x33\x39\x3b\x01\x03"
					 "\x29\x2b\x21\x23\x09\x0b";
	/* Behind 0f: movzx, movsx, imul, nop, moves of vector registers, xorps, pxor. */
	static const char with_modrm_0f[] = "\xb6\xb7\xbe\xbf\xaf\x1f\x10\x11\x28\x29\x57\xef\x6e"
					    "\x6f\x7e\x7f\x16\x17\xd6";
	uint8_t op = code[0], modrm = code[1];
	bool to_stack_pointer = (modrm >> 6) == 3 && (modrm & 7) == REG_STACK && !(rex & 1);

	if (op == 0x0f)
		return is_one_of(code[1], with_modrm_0f, sizeof(with_modrm_0f) - 1)
			       ? 1 + modrm_len(code[2], code[3])
			       : 0;
	if (op >= 0xb8 && op <= 0xbf)
		return rex & 8 ? 9 : 5;
	if (is_one_of(op, with_modrm, sizeof(with_modrm) - 1)) {
		/* Those that have the register operand last. */
		if (op & 2 || op == 0x63 || op == 0x8d)
			to_stack_pointer = (modrm >> 3 & 7) == REG_STACK && !(rex & 4);
		return to_stack_pointer && op != 0x84 && op != 0x85 && op != 0x39
			       ? 0
			       : modrm_len(modrm, code[2]);
	}
	if (to_stack_pointer)
		return 0;
	if (op == 0x80 || op == 0x83 || op == 0xc6)
		return modrm_len(modrm, code[2]) + 1;
	if (op == 0x81 || op == 0xc7)
		return modrm_len(modrm, code[2]) + 4;
	return 0;
}

/* endbr64, and prefixes: of thread storage, of vector registers. */
static size_t prefix_len(const uint8_t *code)
{
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		return sizeof(endbr64);
	return code[0] == 0x64 || ((code[0] == 0x66 || code[0] == 0xf2 || code[0] == 0xf3) &&
				   (code[1] == 0x0f || (code[1] >> 4 == 4 && code[2] == 0x0f)));
}

#define INSTRUCTION_MAX 16

bool fp__frame_size(const uint8_t *code, size_t len, uint64_t done, uint64_t *ret)
{
	bool known = false;
	size_t at = 0, n;

	for (*ret = 0; at < done && at + INSTRUCTION_MAX <= len; at += n, known = true) {
		const uint8_t *op = code + at;
		uint8_t rex;
		uint32_t bytes;

		n = prefix_len(op);
		if (n == sizeof(endbr64))
			continue;
		op += n;
		rex = *op >> 4 == 4 ? *op++ : 0;
		if (*op >> 3 == 0x50 >> 3) { /* push */
			*ret += sizeof(uint64_t);
			n = 1;
		} else if (rex & 8 && op[0] == 0x83 && op[1] == 0xec) { /* sub $8 bits, %rsp */
			*ret += (int8_t)op[2];
			n = 3;
		} else if (rex & 8 && op[0] == 0x81 && op[1] == 0xec) { /* sub $32 bits, %rsp */
			memcpy(&bytes, op + 2, sizeof(bytes));
			*ret += bytes;
			n = 6;
		} else {
			n = plain_len(rex, op);
			if (!n)
				break;
		}
		n += op - (code + at);
	}
	return known;
}

/* A call leaves its return address on top of the stack. */
bool fp__leaf_return(struct machine *machine, struct copied_stack *stack, uint64_t *ret_pc,
		     uint64_t *ret_sp)
{
	uint64_t sp;

	if (!machine__get(machine, stack, MACHINE_SP, &sp) ||
	    !copied_stack__read(stack, sp, sizeof(*ret_pc), ret_pc))
		return false;
	*ret_sp = sp + sizeof(*ret_pc);
	return true;
}

/* mov $__NR_rt_sigreturn, %rax; syscall: musl's and Go's alike. */
static const uint8_t sigreturn_code[SIGRETURN_LEN] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};

/* The handler's return has popped its address: what follows is the struct ucontext. */
static size_t saved_at(unsigned reg)
{
	static const int by_dwarf[MACHINE_REGS] = {
		REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
		REG_R9,	 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

	return offsetof(ucontext_t, uc_mcontext.gregs) + by_dwarf[reg] * sizeof(uint64_t);
}

#else

bool fp__is_call(const uint8_t *before, size_t len)
{
	uint32_t code;

	if (len < sizeof(code))
		return false;
	memcpy(&code, before + len - sizeof(code), sizeof(code));
	/* bl; blr, blraa, blrab and these with a modifier of zero */
	return code >> 26 == 0x25 || (code & 0xfefff000) == 0xd63f0000;
}

bool fp__call_target(const uint8_t *before, size_t len, uint64_t pc, uint64_t *ret)
{
	uint32_t code;

	if (len < sizeof(code))
		return false;
	memcpy(&code, before + len - sizeof(code), sizeof(code));
	if (code >> 26 != 0x25)
		return false;
	/* 26 bits with a sign count instructions from its own. */
	*ret = pc - sizeof(code) + (int64_t)((int32_t)(code << 6) >> 6) * 4;
	return true;
}

bool fp__is_jump(const uint8_t *code, int32_t *ret)
{
	uint32_t word;

	memcpy(&word, code, sizeof(word));
	if (word >> 26 != 0x05)
		return false;
	*ret = ((int32_t)(word << 6) >> 6) * 4;
	return true;
}

bool fp__takes_address(const uint8_t *code, uint64_t pc, uint64_t *ret)
{
	return false;
}

/* adrp x16, GOT */
bool fp__is_import(const uint8_t *code)
{
	uint32_t word;

	memcpy(&word, code, sizeof(word));
	return (word & 0x9f00001f) == 0x90000010;
}

/* The return address lies where the function has put it. */
bool fp__frame_size(const uint8_t *code, size_t len, uint64_t done, uint64_t *ret)
{
	return false;
}

/* A call leaves its return address in a register. */
bool fp__leaf_return(struct machine *machine, struct copied_stack *stack, uint64_t *ret_pc,
		     uint64_t *ret_sp)
{
	uint64_t pc;

	if (!machine__get(machine, stack, MACHINE_LR, &pc) ||
	    !machine__get(machine, stack, MACHINE_SP, ret_sp))
		return false;
	*ret_pc = pac__strip(pc);
	return true;
}

/* mov x8, #__NR_rt_sigreturn; svc #0: the vdso's, which has no call frame information, and Go's. */
static const uint8_t sigreturn_code[] = {0x68, 0x11, 0x80, 0xd2, 1, 0, 0, 0xd4};

/* struct rt_sigframe (arch/arm64/kernel/signal.c); sp and pc come behind the other registers. */
static size_t saved_at(unsigned reg)
{
	return sizeof(siginfo_t) + offsetof(ucontext_t, uc_mcontext.regs) + reg * sizeof(uint64_t);
}

#endif

bool fp__is_sigreturn(const uint8_t *code, size_t len)
{
	return len >= sizeof(sigreturn_code) &&
	       !memcmp(code, sigreturn_code, sizeof(sigreturn_code));
}

bool fp__step_signal(struct machine *machine, struct copied_stack *stack, struct machine *ret)
{
	uint64_t sp, pc;

	if (!machine__get(machine, stack, MACHINE_SP, &sp))
		return false;
	*ret = (struct machine){};
	/* Where it goes on matters at once, the others when they are asked for. */
	for (unsigned reg = 0; reg < MACHINE_REGS; reg++)
		machine__set_saved(ret, reg, sp + saved_at(reg));
	return machine__get(ret, stack, MACHINE_PC, &pc) &&
	       machine__get(ret, stack, MACHINE_SP, &sp);
}
