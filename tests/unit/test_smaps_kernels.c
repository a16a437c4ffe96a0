// SPDX-License-Identifier: BSD-2-Clause
/* The reader of smaps and maps with what kernels write: two of the past, and this one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/procfs.h"
#include "proc/vmas.h"
#include "util/buf.h"
#include "util/cleanup.h"

#include "smaps_text.h"

static void read_fixture(const char *name, struct buf *ret)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "tests/fixtures/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(buf__read_fd(ret, fd, 1 << 20), 0);
	close(fd);
}

static const struct vma *find_named(const struct vma_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (!strcmp(vma_set__name(set, &set->vmas[i]), name))
			return &set->vmas[i];
	}
	return NULL;
}

static void fixtures_in_any_pieces(void **state)
{
	static const char *const fixtures[] = {"smaps-6.1.txt", "smaps-6.18.txt"};
	static const size_t pieces[] = {1, 2, 3, 7, 64, 4095, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		struct vma_set whole = {}, set = {};
		struct buf text = {};

		read_fixture(fixtures[i], &text);
		assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &whole), 0);
		assert_true(whole.n > 5);
		for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
			assert_int_equal(parse(SMAPS_FULL, text.data, text.len, pieces[p], &set),
					 0);
			assert_same_set(&whole, &set);
			vma_set__free(&set);
		}
		vma_set__free(&whole);
		buf__free(&text);
	}
}

/* Wherever the text is cut there is an error, or whole records and nothing else. */
static void a_cut_anywhere_is_seen(void **state)
{
	struct vma_set whole = {}, set;
	struct buf text = {};
	size_t cuts = 0;

	read_fixture("smaps-6.1.txt", &text);
	assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &whole), 0);
	for (size_t len = 0; len < text.len; len++) {
		int err = parse(SMAPS_FULL, text.data, len, len ? len : 1, &set);

		if (err) {
			assert_int_equal(err, -EBADMSG);
			continue;
		}
		assert_true(!len || (text.data[len - 1] == '\n' && text.data[len - 2] == ' '));
		assert_int_equal(set.n, cuts++);
		if (set.n)
			assert_memory_equal(set.vmas, whole.vmas, set.n * sizeof(*set.vmas));
		vma_set__free(&set);
	}
	assert_int_equal(cuts, whole.n);
	vma_set__free(&whole);
	buf__free(&text);
}

static void fixture_of_6_1(void **state)
{
	struct vma_set set = {};
	struct buf text = {};
	const struct vma *vma;

	read_fixture("smaps-6.1.txt", &text);
	assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &set), 0);
	assert_int_equal(set.n, 9);
	vma = find_named(&set, "[anon: Go: heap]");
	assert_non_null(vma);
	assert_int_equal(vma->rss, 4 << 20);
	assert_int_equal(vma->swap, 40 << 10);
	vma = find_named(&set, "/anon_hugepage (deleted)");
	assert_int_equal(vma->kind, VMA_HUGETLB);
	assert_int_equal(vma->private_hugetlb, 2 << 20);
	assert_int_equal(vma->rss, 0);
	vma = find_named(&set, "anon_inode:[io_uring]");
	assert_int_equal(vma->kind, VMA_DEVICE);
	assert_int_equal(vma->flags, VMA_SHARED | VMA_IO);
	assert_ptr_equal(vma_set__find(&set, 0xaaaacd5f0000), &set.vmas[0]);
	assert_ptr_equal(vma_set__find(&set, 0xaaaacd5fffff), &set.vmas[0]);
	assert_null(vma_set__find(&set, 0xaaaacd600000));
	assert_null(vma_set__find(&set, 0));
	assert_null(vma_set__find(&set, UINT64_MAX));
	assert_int_equal(vma_set__find(&set, 0xfffffffe0000)->kind, VMA_STACK);
	vma_set__free(&set);
	buf__free(&text);
}

static void fixture_of_6_18(void **state)
{
	static const struct {
		const char *name;
		enum vma_kind kind;
	} cases[] = {
		{"/tmp/a b\nc: d-e (deleted)", VMA_FILE},
		{"/tmp/trailing ", VMA_FILE},
		{"/tmp/[heap] (deleted)", VMA_FILE},
		{"/dev/zero (deleted)", VMA_SHARED_ANON},
		{"/memfd:cache x (deleted)", VMA_MEMFD},
		{"/SYSV00000000 (deleted)", VMA_SYSV},
		{"/dev/zero", VMA_DEV_ZERO},
		{"/dev/shm/seg", VMA_DEV_SHM},
		{"[heap]", VMA_HEAP},
		{"[stack]", VMA_STACK},
		{"[vvar]", VMA_KERNEL},
		{"[vsyscall]", VMA_KERNEL},
	};
	struct vma_set set = {};
	struct buf text = {};

	read_fixture("smaps-6.18.txt", &text);
	assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &set), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vma *vma = find_named(&set, cases[i].name);

		if (!vma || vma->kind != cases[i].kind)
			fail_msg("%s: kind %d", cases[i].name, vma ? vma->kind : -1);
	}
	/* 128 of 256 kB touched; the ---p mapping behind it is there too. */
	assert_int_equal(vma_set__find(&set, 0x7e0000000000)->rss, 0x20000);
	assert_string_equal(vma_set__find(&set, 0x7e0000140000)->perms, "---p");
	vma_set__free(&set);
	buf__free(&text);
}

/* The sum of a field by another road: every line of the file that begins with it. */
static uint64_t sum_lines(const char *path, const char *field, size_t *ret_headers)
{
	char line[8192], format[64];
	uint64_t sum = 0, value;
	FILE *file;

	snprintf(format, sizeof(format), "%s: %%" SCNu64 " kB", field);
	file = fopen(path, "r");
	assert_non_null(file);
	*ret_headers = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, format, &value) == 1)
			sum += value * 1024;
		*ret_headers += strspn(line, "0123456789abcdef") > 3;
	}
	fclose(file);
	return sum;
}

static void every_field_adds_up(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{"Rss", offsetof(struct vma, rss)},
		{"Pss", offsetof(struct vma, pss)},
		{"Shared_Clean", offsetof(struct vma, shared_clean)},
		{"Shared_Dirty", offsetof(struct vma, shared_dirty)},
		{"Private_Clean", offsetof(struct vma, private_clean)},
		{"Private_Dirty", offsetof(struct vma, private_dirty)},
		{"Swap", offsetof(struct vma, swap)},
		{"SwapPss", offsetof(struct vma, swap_pss)},
		{"Shared_Hugetlb", offsetof(struct vma, shared_hugetlb)},
		{"Private_Hugetlb", offsetof(struct vma, private_hugetlb)},
	};
	static const char *const fixtures[] = {"smaps-6.1.txt", "smaps-6.18.txt"};

	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		struct vma_set set = {};
		struct buf text = {};
		char path[256];
		size_t headers;

		read_fixture(fixtures[i], &text);
		snprintf(path, sizeof(path), "tests/fixtures/%s", fixtures[i]);
		assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &set), 0);
		for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
			uint64_t sum = 0, value;

			for (size_t v = 0; v < set.n; v++) {
				memcpy(&value, (char *)&set.vmas[v] + fields[f].offset,
				       sizeof(value));
				sum += value;
			}
			assert_int_equal(sum, sum_lines(path, fields[f].name, &headers));
			assert_int_equal(set.n, headers);
		}
		vma_set__free(&set);
		buf__free(&text);
	}
}

/* A stopped child: its map holds still while it is read in two ways. */
static void the_real_kernel(void **state)
{
	uint64_t rss = 0;
	struct vma_set full = {}, maps = {};
	int pidfd, status;
	size_t headers;
	char path[64];
	pid_t pid = fork();

	if (!pid) {
		char *p;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < 3 << 20; i += 4096)
			p[i] = 1;
		raise(SIGSTOP);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	pidfd = procfs__open("/proc", pid);
	assert_true(pidfd >= 0);
	assert_int_equal(procfs__vmas(pidfd, SMAPS_FULL, NULL, &full), 0);
	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &maps), 0);
	for (size_t i = 0; i < full.n; i++)
		rss += full.vmas[i].rss;
	/* Only Rss: sharing changes while we, the parent, run. */
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	assert_int_equal(rss, sum_lines(path, "Rss", &headers));
	assert_true(rss > 3 << 20);
	assert_int_equal(full.n, headers);
	assert_int_equal(full.torn, 0);
	assert_int_equal(maps.n, full.n);
	for (size_t i = 0; i < full.n; i++) {
		assert_int_equal(maps.vmas[i].start, full.vmas[i].start);
		assert_int_equal(maps.vmas[i].end, full.vmas[i].end);
		assert_int_equal(maps.vmas[i].kind, full.vmas[i].kind);
		assert_string_equal(vma_set__name(&maps, &maps.vmas[i]),
				    vma_set__name(&full, &full.vmas[i]));
		assert_int_equal(maps.vmas[i].rss, 0);
	}
	vma_set__free(&full);
	vma_set__free(&maps);
	close(pidfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Splits and merges its VMAs for as long as it lives. */
static void change_protections(void)
{
	size_t pages = 400;
	char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	unsigned int random = 1;

	for (;;) {
		size_t at, n;

		random = random * 1103515245 + 12345;
		at = (random >> 8) % pages;
		n = 1 + (random >> 20) % 40;
		mprotect(p + at * 4096, (at + n > pages ? pages - at : n) * 4096,
			 random >> 18 & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
	}
}

static void a_racing_process_can_be_read(void **state)
{
	pid_t pid = fork();
	int pidfd;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		change_protections();
	}
	pidfd = procfs__open("/proc", pid);
	assert_true(pidfd >= 0);
	for (int i = 0; i < 300; i++) {
		struct vma_set set = {};

		assert_int_equal(procfs__vmas(pidfd, i % 2 ? SMAPS_MAPS : SMAPS_FULL, NULL, &set),
				 0);
		for (size_t v = 1; v < set.n; v++)
			assert_true(set.vmas[v].start >= set.vmas[v - 1].end);
		vma_set__free(&set);
	}
	close(pidfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixtures_in_any_pieces),
		cmocka_unit_test(a_cut_anywhere_is_seen),
		cmocka_unit_test(fixture_of_6_1),
		cmocka_unit_test(fixture_of_6_18),
		cmocka_unit_test(every_field_adds_up),
		cmocka_unit_test(the_real_kernel),
		cmocka_unit_test(a_racing_process_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
