// SPDX-License-Identifier: BSD-2-Clause
/* Code that is not where its file was mapped: symbolize/beside.h, elf_module__place(), and
 * proc/glance.h, which reads what is there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "child/elf_module.h"
#include "proc/glance.h"
#include "proc/procfs.h"
#include "symbolize/beside.h"

#define A(at, off)                                                                                 \
	{                                                                                          \
		.start = (at)*4096, .end = (at)*4096 + 4096, .offset = (off)*4096, .inode = 7,     \
		.kind = VMA_FILE                                                                   \
	}
#define B(at, off)                                                                                 \
	{                                                                                          \
		.start = (at)*4096, .end = (at)*4096 + 4096, .offset = (off)*4096, .inode = 8,     \
		.kind = VMA_FILE                                                                   \
	}
#define X(at)                                                                                      \
	{                                                                                          \
		.start = (at)*4096, .end = (at)*4096 + 4096, .kind = VMA_ANON                      \
	}

static void test_beside(void **state)
{
	static struct vma vmas[] = {
		X(1),					       /* 0: in front of a whole file */
		A(2, 0),  X(3),	    A(4, 2),		       /* 2: in the middle of one */
		A(5, 3),  X(6),	    X(7),    A(8, 6), A(9, 7), /* 5, 6 */
		X(10),					       /* 9: between two files */
		B(11, 0), B(12, 1), X(13), /* 12: in front of the rest of another */
		A(14, 3), X(15),	   /* 14: behind all */
	};
	static const struct {
		size_t index;
		int beside; /* the VMA; -1: none */
	} cases[] = {{0, -1}, {2, 1}, {5, 1}, {6, 1}, {9, -1}, {12, 13}, {14, -1}};
	struct vma_set set = {.vmas = vmas, .n = sizeof(vmas) / sizeof(vmas[0])};
	struct beside beside = {.set = &set};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vma *found = beside__find(&beside, cases[i].index);

		assert_int_equal(found ? found - vmas : -1, cases[i].beside);
	}
}

/* As lld lays programs out: segments share pages of the file, and lie ever further from their
 * offsets. */
static void test_places(void **state)
{
	static const struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[3];
	} file = {
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
#if defined(__x86_64__)
			   .e_machine = EM_X86_64,
#else
			   .e_machine = EM_AARCH64,
#endif
			   .e_version = EV_CURRENT,
			   .e_phoff = sizeof(Elf64_Ehdr),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 3},
		.segments = {{PT_LOAD, PF_R, 0, 0, 0, 0x1240, 0x1240, 0x1000},
			     {PT_LOAD, PF_R | PF_X, 0x1240, 0x2240, 0x2240, 0x2000, 0x2000, 0x1000},
			     {PT_LOAD, PF_R | PF_W, 0x3240, 0x5240, 0x5240, 0x100, 0x900, 0x1000}},
	};
	static const struct {
		uint64_t start, offset; /* of what is mapped beside it */
		uint64_t pc;
		uint64_t found; /* 0: nothing */
	} cases[] = {
		{0x10000, 0, 0x12240, 0x1240},
		{0x10000, 0, 0x1423f, 0x323f},
		{0x10000, 0, 0x12230, 0},
		{0x10000, 0, 0x14240, 0},
		{0x10000, 0, 0xf240, 0},
		{0x12000, 0x1000, 0x12240, 0x1240},
		{0x13000, 0x2000, 0x12250, 0x1250},
		{0x15000, 0x3000, 0x12240, 0x1240},
		{0x15000, 0x9000, 0x12240, 0},
	};
	int fd = memfd_create("program", MFD_CLOEXEC);
	struct elf_module *module;

	assert_int_equal(write(fd, &file, sizeof(file)), sizeof(file));
	assert_int_equal(ftruncate(fd, 0x4000), 0);
	module = elf_module__new(1, fd, NULL, NULL);
	assert_int_equal(elf_module__load(module), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct code_place place = {};
		bool found = elf_module__place(module, cases[i].start, cases[i].offset, cases[i].pc,
					       &place);

		if (found != !!cases[i].found || place.offset != cases[i].found)
			fail_msg("case %zu: 0x%lx", i, place.offset);
		if (found)
			assert_int_equal(place.before + place.left, 0x2000);
	}
	elf_module__free(module);
}

static ssize_t glance(struct glancer *glancer, int pidfd, uint64_t at, char *to)
{
	return glancer__read(glancer, pidfd, getpid(), at, to, 8);
}

/* The same of a copy of this process that is another user's. */
static ssize_t glance_at_another_users(struct glancer *glancer, uint64_t at, char *to)
{
	pid_t pid = fork();
	ssize_t n;
	int pidfd;

	if (!pid) {
		if (setuid(1234) || prctl(PR_SET_DUMPABLE, 1) || raise(SIGSTOP))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	pidfd = procfs__open("/proc", pid);
	n = glancer__read(glancer, pidfd, pid, at, to, 8);
	close(pidfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return n;
}

/* A page that never comes keeps no caller waiting, and readers are left for other users. */
static void test_glances(void **state)
{
	struct glancer *glancer = glancer__new("/proc");
	int pidfd = procfs__open("/proc", getpid());
	int fault = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = {.api = UFFD_API};
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), got[8] = "";
	struct uffdio_register area = {.range = {(uintptr_t)page, 4096},
				       .mode = UFFDIO_REGISTER_MODE_MISSING};
	static const char text[8] = "seventy";
	uint64_t at = (uintptr_t)text;

	assert_int_equal(glance(glancer, pidfd, at, got), -EBUSY);
	assert_int_equal(glancer__start(glancer), 0);
	assert_int_equal(glance(glancer, pidfd, at, got), 8);
	assert_string_equal(got, text);
	assert_int_equal(glance(glancer, pidfd, 4096, got), -EFAULT);
	assert_true(fault >= 0);
	assert_int_equal(ioctl(fault, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(fault, UFFDIO_REGISTER, &area), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(glance(glancer, pidfd, (uintptr_t)page, got), -ETIMEDOUT);
	assert_int_equal(glance(glancer, pidfd, at, got), -EBUSY);
	assert_int_equal(glance_at_another_users(glancer, at, got), 8);
	/* The source of the page has gone: the readers come back. */
	close(fault);
	for (int i = 0; i < 1000 && glance(glancer, pidfd, at, got) < 0; i++)
		usleep(10000);
	assert_int_equal(glance(glancer, pidfd, at, got), 8);
	glancer__free(glancer);
	munmap(page, 4096);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_glances),
	};

	return cmocka_run_group_tests_name("moved code", tests, NULL, NULL);
}
