/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The arguments of the current syscall, read from the registers that the kernel saved on entry.
 * At exit they are all still there: x86-64 changes only ax (rcx and r11 carry no argument), and
 * arm64 keeps the first one, whose register also takes the result, in orig_x0. So a program at
 * exit needs no partner at enter and no map of calls in flight.
 */
#ifndef MEMPROV_SYSARG_BPF_H
#define MEMPROV_SYSARG_BPF_H

static __always_inline struct pt_regs *syscall_regs(void)
{
	return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

#if defined(__TARGET_ARCH_x86)
#define SYSARG0(regs) ((__u64)(regs)->di)
#define SYSARG1(regs) ((__u64)(regs)->si)
#define SYSARG2(regs) ((__u64)(regs)->dx)
#define SYSARG3(regs) ((__u64)(regs)->r10)
#define SYSARG4(regs) ((__u64)(regs)->r8)
#define SYSARG5(regs) ((__u64)(regs)->r9)
#define SYSNR(regs)   ((int)(regs)->orig_ax)
#define NR_CLONE      56
#define USER_SP(regs) ((__u64)(regs)->sp)
#define USER_FP(regs) ((__u64)(regs)->bp)
#define USER_IP(regs) ((__u64)(regs)->ip)
#define CODE_BITS     (~0ULL)

/* struct mp_stack_copy: DWARF's order. */
static __always_inline void copy_regs(__u64 *to, struct pt_regs *regs)
{
	to[0] = regs->ax;
	to[1] = regs->dx;
	to[2] = regs->cx;
	to[3] = regs->bx;
	to[4] = regs->si;
	to[5] = regs->di;
	to[6] = regs->bp;
	to[7] = regs->sp;
	to[8] = regs->r8;
	to[9] = regs->r9;
	to[10] = regs->r10;
	to[11] = regs->r11;
	to[12] = regs->r12;
	to[13] = regs->r13;
	to[14] = regs->r14;
	to[15] = regs->r15;
	to[16] = regs->ip;
}
#elif defined(__TARGET_ARCH_arm64)
#define SYSARG0(regs) ((__u64)(regs)->orig_x0)
#define SYSARG1(regs) ((__u64)(regs)->regs[1])
#define SYSARG2(regs) ((__u64)(regs)->regs[2])
#define SYSARG3(regs) ((__u64)(regs)->regs[3])
#define SYSARG4(regs) ((__u64)(regs)->regs[4])
#define SYSARG5(regs) ((__u64)(regs)->regs[5])
#define SYSNR(regs)   ((regs)->syscallno)
#define NR_CLONE      220
#define USER_SP(regs) ((__u64)(regs)->sp)
#define USER_FP(regs) ((__u64)(regs)->regs[29])
#define USER_IP(regs) ((__u64)(regs)->pc)
#define CODE_BITS     0xffffffffffffULL /* without the signature: util/pac.h */

static __always_inline void copy_regs(__u64 *to, struct pt_regs *regs)
{
	for (int i = 0; i < 31; i++)
		to[i] = regs->regs[i];
	to[31] = regs->sp;
	to[32] = regs->pc;
}
#endif

#define NR_CLONE3 435 /* on every architecture */

/* The kernel's IS_ERR_VALUE: a result that is -errno. */
static __always_inline bool failed(long result)
{
	return (unsigned long)result >= (unsigned long)-4095L;
}

#endif
