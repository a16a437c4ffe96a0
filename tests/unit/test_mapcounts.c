// SPDX-License-Identifier: BSD-2-Clause
/* Private, shared and PSS from pagemap and kpagecount, against smaps; the process that opens
 * pagemaps. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "child_process.h"
#include "proc/mapcounts.h"
#include "proc/pagemap.h"
#include "proc/pagemap_server.h"
#include "proc/procfs.h"
#include "proc/resident.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/waiter.h"
#include "wire/channel.h"

#define MB	 (1ULL << 20)
#define CHILDREN 2
#define ANY	 (~0ULL)	/* capabilities: all that we have */
#define FIRST	 0x200000000000 /* above what sanitizers use */

static uint64_t page;

/* --- files as the kernel shows them -------------------------------------------------------- */

static int file_of(const uint64_t *values, size_t n)
{
	int fd = memfd_create("values", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, values, n * sizeof(*values)), n * sizeof(*values));
	return fd;
}

/* Of one VMA, or of several that have so many pages each. */
static void add(const uint64_t *entries, size_t n, const uint64_t *counts, size_t n_counts,
		struct vma *vmas, size_t n_vmas)
{
	_cleanup_close_ int pagemap = file_of(entries, n), kpagecount = file_of(counts, n_counts);

	for (size_t i = 0; i < n_vmas; i++) {
		vmas[i].start = i * (n / n_vmas) * page;
		vmas[i].end = (i + 1) * (n / n_vmas) * page;
	}
	assert_int_equal(sharing__add(kpagecount, pagemap, vmas, n_vmas), 0);
}

#define SHARED(frame) (PAGEMAP_PRESENT | (frame))
#define OURS(frame)   (PAGEMAP_PRESENT | PAGEMAP_EXCLUSIVE | (frame))

static void sums_of_entries(void **state)
{
	/* Frames: 1 is nobody's (the zero page), 2 to 4 are mapped by 3, 2 and 1000, 5 once; 7 and
	 * 8 are of a huge page. */
	static const uint64_t counts[] = {9, 0, 3, 2, 1000, 1, 9, 1, 2};
	const uint64_t entries[] = {
		0,	 /* nothing */
		OURS(2), /* what kpagecount says is not asked */
		SHARED(2),
		SHARED(3),
		SHARED(4), /* a run */
		SHARED(4),
		SHARED(3),			     /* frames that fall */
		SHARED(1),			     /* no memory of anybody's */
		SHARED(5),			     /* by now nobody else's */
		PAGEMAP_SWAPPED | 4,		     /* elsewhere */
		PAGEMAP_SWAPPED | PAGEMAP_GUARD,     /* nowhere */
		SHARED(3) | 1ULL << 55 | 1ULL << 61, /* soft-dirty, of a file */
		OURS(7),
		OURS(8), /* as the first one is */
	};
	struct vma vma = {.rss = 10 * page};
	uint64_t pss = (page << 12) / 3 + 4 * ((page << 12) / 2) + 2 * ((page << 12) / 1000);

	add(entries, ARRAY_SIZE(entries), counts, ARRAY_SIZE(counts), &vma, 1);
	assert_int_equal(vma.private_dirty, 3 * page);
	assert_int_equal(vma.shared_dirty, 7 * page);
	assert_int_equal(vma.pss, (3 * page + (pss >> 12)) / 1024 * 1024);
}

/* It was touched between the two readings: no more than was there before. */
static void more_than_was_resident(void **state)
{
	static const uint64_t counts[] = {9, 1, 1, 2};
	const uint64_t entries[] = {OURS(1), SHARED(3), OURS(2)};
	struct vma vma = {.rss = page};

	add(entries, ARRAY_SIZE(entries), counts, ARRAY_SIZE(counts), &vma, 1);
	assert_int_equal(vma.private_dirty, page);
	assert_int_equal(vma.shared_dirty, 0);
	assert_int_equal(vma.pss, page);
}

/* More than are read at once, whose runs end there; in VMAs of odd sizes beside each other. */
static void many_entries(void **state)
{
	static const size_t sizes[] = {1, 7, 100, PAGEMAP_ENTRIES - 1, PAGEMAP_ENTRIES + 1, 8192};
	const size_t n = 8192;
	_cleanup_free_ uint64_t *entries = calloc(n, sizeof(*entries));
	_cleanup_free_ uint64_t *counts = calloc(n, sizeof(*counts));
	_cleanup_free_ struct vma *vmas = calloc(n, sizeof(*vmas));

	assert_true(entries && counts && vmas);
	for (size_t i = 0; i < n; i++) {
		entries[i] = SHARED(i);
		counts[i] = 1 + i % 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i], n_vmas = n / size;

		for (size_t at = 0; at < n_vmas; at++)
			vmas[at] = (struct vma){.rss = at % 3 ? size * page : 0};
		add(entries, n_vmas * size, counts, n, vmas, n_vmas);
		for (size_t at = 0; at < n_vmas; at++) {
			uint64_t first = at * size, ours = size / 2 + (size % 2 && first % 2 == 0);
			uint64_t pss = ours * page + (size - ours) * (page / 2);

			assert_int_equal(vmas[at].private_dirty, at % 3 ? ours * page : 0);
			assert_int_equal(vmas[at].pss, at % 3 ? pss / 1024 * 1024 : 0);
		}
	}
}

/* VMAs far from each other, one of which goes through several reads. */
static void far_from_each_other(void **state)
{
	const size_t n = 9000;
	_cleanup_free_ uint64_t *entries = calloc(n, sizeof(*entries));
	static const uint64_t counts[] = {9, 9, 2};
	struct vma vmas[] = {
		{.start = page, .end = 3 * page, .rss = page},
		{.start = 60 * page, .end = 61 * page, .rss = page},
		{.start = 3000 * page, .end = 9000 * page, .rss = 3 * page},
	};
	_cleanup_close_ int pagemap = -1, kpagecount = file_of(counts, ARRAY_SIZE(counts));

	assert_non_null(entries);
	entries[2] = SHARED(2);
	entries[60] = entries[3000] = entries[6000] = OURS(2);
	entries[8999] = SHARED(2);
	pagemap = file_of(entries, n);
	assert_int_equal(sharing__add(kpagecount, pagemap, vmas, ARRAY_SIZE(vmas)), 0);
	assert_int_equal(vmas[0].pss, page / 2);
	assert_int_equal(vmas[1].pss, page);
	assert_int_equal(vmas[2].private_dirty, 2 * page);
	assert_int_equal(vmas[2].pss, 2 * page + page / 2);
}

/* The map became smaller meanwhile. */
static void fewer_entries_than_pages(void **state)
{
	const uint64_t entry = OURS(1);
	_cleanup_close_ int pagemap = file_of(&entry, 1), kpagecount = file_of(&entry, 1);
	struct vma vma = {.end = 2 * page, .rss = page};

	assert_int_equal(sharing__add(kpagecount, pagemap, &vma, 1), -ENODATA);
}

/* Of a frame that kpagecount has no count of. */
static void a_frame_beyond_the_end(void **state)
{
	static const uint64_t count = 1;
	const uint64_t entry = SHARED(77);
	_cleanup_close_ int pagemap = file_of(&entry, 1), kpagecount = file_of(&count, 1);
	struct vma vma = {.end = page, .rss = page};

	assert_int_equal(sharing__add(kpagecount, pagemap, &vma, 1), -EIO);
	assert_int_equal(sharing__mapcount(kpagecount, pagemap, 0), -EIO);
}

static void the_count_of_a_page(void **state)
{
	static const uint64_t counts[] = {1, 2, 7};
	const uint64_t entries[] = {SHARED(2), OURS(1), 0, PAGEMAP_SWAPPED | 2, SHARED(0)};
	_cleanup_close_ int pagemap = file_of(entries, ARRAY_SIZE(entries));
	_cleanup_close_ int kpagecount = file_of(counts, ARRAY_SIZE(counts));

	assert_int_equal(sharing__mapcount(kpagecount, pagemap, 100), 7);
	assert_int_equal(sharing__mapcount(kpagecount, pagemap, page), 2);
	assert_int_equal(sharing__mapcount(kpagecount, pagemap, 2 * page), -ENODATA);
	assert_int_equal(sharing__mapcount(kpagecount, pagemap, 3 * page), -ENODATA);
	/* What a pagemap shows that may not show frames. */
	assert_int_equal(sharing__mapcount(kpagecount, pagemap, 4 * page), -ENODATA);
}

/* --- a real process ------------------------------------------------------------------------ */

static char *at; /* where the next mapping goes */

/* Apart from each other, and from what others map, too. */
static char *map(size_t len, int flags, int fd)
{
	char *p = mmap(at, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (p == MAP_FAILED)
		_exit(1);
	at += (len + 3 * MB) / (2 * MB) * (2 * MB);
	return p;
}

static void touch(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += page)
		p[i] = 1;
}

static void make_mappings(void)
{
	char *copied, *huge, *file, *read_only, c = 0;
	int fd = memfd_create("mapcounts", MFD_CLOEXEC);

	at = (char *)FIRST;
	touch(map(MB, MAP_PRIVATE | MAP_ANONYMOUS, -1), MB / 2); /* shared until it is written */
	copied = map(MB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	touch(copied, MB);
	read_only = map(MB, MAP_PRIVATE | MAP_ANONYMOUS, -1); /* the zero page */
	for (size_t i = 0; i < MB; i += page)
		c += read_only[i];
	touch(map(MB, MAP_SHARED | MAP_ANONYMOUS, -1), MB);
	huge = map(4 * MB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(huge, 4 * MB, MADV_HUGEPAGE);
	touch(huge, 4 * MB);
	if (ftruncate(fd, MB + c))
		_exit(1);
	touch(map(MB, MAP_SHARED, fd), MB);
	file = map(MB, MAP_SHARED, fd); /* the same pages once more */
	touch(file, MB / 4);
	file = map(MB, MAP_PRIVATE, fd);
	touch(file, MB / 8); /* copies */
	c += file[MB / 2];
	for (int i = 0; i < CHILDREN; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		touch(copied, (i + 1) * MB / 4); /* of which a quarter becomes ours again */
		huge[0] = 2;			 /* and that is no longer mapped as a whole */
		raise(SIGSTOP);
		_exit(1);
	}
	for (int i = 0; i < CHILDREN; i++)
		waitpid(-1, NULL, WUNTRACED);
	/* For what its children have written, too. */
	touch(map(MB, MAP_PRIVATE | MAP_ANONYMOUS, -1), MB);
}

static pid_t start(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		make_mappings();
		raise(SIGSTOP);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void assert_as_smaps(const struct vma *ours, const struct vma *vma)
{
	if (ours->pss != vma->pss ||
	    ours->private_dirty != vma->private_clean + vma->private_dirty ||
	    ours->shared_dirty != vma->shared_clean + vma->shared_dirty)
		fail_msg("%lx: pss %lu private %lu shared %lu, smaps %lu %lu %lu", vma->start,
			 ours->pss, ours->private_dirty, ours->shared_dirty, vma->pss,
			 vma->private_clean + vma->private_dirty,
			 vma->shared_clean + vma->shared_dirty);
}

static void agrees_with_smaps(void **state)
{
	struct mapcounts *m = mapcounts__new("/proc", ANY);
	pid_t pid = start();
	_cleanup_close_ int pidfd = procfs__open("/proc", pid), pagemap = -1;
	struct vma ours[64], *vmas;
	struct resident smaps = {};
	uint64_t shared = 0, halved = 0;
	size_t n = 0, first = 0;

	assert_non_null(m);
	pagemap = mapcounts__open(m, pidfd);
	assert_true(pagemap >= 0);
	assert_int_equal(resident__read_smaps(pidfd, NULL, &smaps), 0);
	/* Above are libraries, which others map and let go of. */
	while (smaps.set.vmas[first].start < FIRST)
		first++;
	vmas = &smaps.set.vmas[first];
	for (; n < ARRAY_SIZE(ours) && vmas[n].end < FIRST + (1ULL << 30); n++)
		ours[n] = (struct vma){
			.start = vmas[n].start, .end = vmas[n].end, .rss = vmas[n].rss};
	assert_int_equal(mapcounts__add(m, pagemap, ours, n), 0);
	for (size_t i = 0; i < n; i++) {
		assert_as_smaps(&ours[i], &vmas[i]);
		shared += vmas[i].shared_clean + vmas[i].shared_dirty;
		halved += vmas[i].pss < vmas[i].rss;
	}
	/* So that there is something to be wrong about. */
	assert_true(n >= 9 && halved >= 6 && shared > 4 * MB);
	vma_set__free(&smaps.set);
	stop(pid);
	mapcounts__free(m);
}

/* --- the process that opens ---------------------------------------------------------------- */

static pid_t begin_server(int *ret_socket)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		pagemap_server__main(pair[1], ANY);
	close(pair[1]);
	*ret_socket = pair[0];
	return pid;
}

static uint64_t soon(void)
{
	return clock__boot_ns() + 10 * NSEC_PER_SEC;
}

/* A question that has not said yet of which process. */
static int begin_question(int socket)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(channel__send(socket, "", 1, pair[1], soon()), 0);
	close(pair[1]);
	return pair[0];
}

/* What keeps some questions waiting keeps the others from nothing, up to a number. */
static void questions_that_wait(void **state)
{
	_cleanup_close_ int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int socket = -1, pagemap = -1, refused = -1;
	pid_t pid = begin_server(&socket);
	int waiting[PAGEMAP_QUESTIONS_MAX];
	int32_t answer;

	for (int i = 0; i < PAGEMAP_QUESTIONS_MAX; i++)
		waiting[i] = begin_question(socket);
	refused = begin_question(socket);
	assert_int_equal(channel__receive(refused, &answer, sizeof(answer), NULL, soon()), 0);
	for (int i = PAGEMAP_QUESTIONS_MAX - 1; i >= 0; i--) {
		assert_int_equal(channel__send(waiting[i], "", 1, i ? -1 : self, soon()), 0);
		/* Without a process there is no answer. */
		assert_int_equal(
			channel__receive(waiting[i], &answer, sizeof(answer), &pagemap, soon()),
			i ? 0 : sizeof(answer));
		close(waiting[i]);
	}
	assert_int_equal(answer, 0);
	assert_true(pagemap >= 0);
	close(take_fd(socket));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_process_that_is_gone(void **state)
{
	struct mapcounts *m = mapcounts__new("/proc", ANY);
	pid_t pid = start();
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);

	assert_non_null(m);
	stop(pid);
	assert_int_equal(mapcounts__open(m, pidfd), -ESRCH);
	mapcounts__free(m);
}

static int find_server(pid_t pid, void *ctx)
{
	pid_t *ret = ctx;
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);
	struct proc_stat stat;

	if (parent_of(pid) == getpid() && pidfd >= 0 && !procfs__stat(pidfd, &stat) &&
	    !strcmp(stat.comm, "memprov-pagemap"))
		*ret = pid;
	return 0;
}

/* Stopped, or gone: reports go on without. */
static void a_server_that_does_not_answer(void **state)
{
	_cleanup_close_ int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mapcounts *m = mapcounts__new("/proc", ANY);
	uint64_t left_ns = 10 * NSEC_PER_SEC;
	pid_t pid = 0;
	int err;

	assert_non_null(m);
	procfs__each("/proc", find_server, &pid);
	assert_true(pid > 0);
	kill(pid, SIGSTOP);
	assert_int_equal(mapcounts__open(m, self), -ETIMEDOUT);
	kill(pid, SIGKILL);
	/* What is in flight may be in time. */
	while ((err = mapcounts__open(m, self)) != -EPIPE && waiter__nap(&left_ns))
		;
	assert_int_equal(err, -EPIPE);
	mapcounts__free(m);
}

/* Frames are hidden: that is found out at the start. */
static void without_capabilities(void **state)
{
	assert_null(mapcounts__new("/proc", 0));
	assert_null(mapcounts__new("/nowhere", ANY));
}

static int find_page_size(void **state)
{
	page = sysconf(_SC_PAGESIZE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_entries),
		cmocka_unit_test(more_than_was_resident),
		cmocka_unit_test(many_entries),
		cmocka_unit_test(far_from_each_other),
		cmocka_unit_test(fewer_entries_than_pages),
		cmocka_unit_test(a_frame_beyond_the_end),
		cmocka_unit_test(the_count_of_a_page),
		cmocka_unit_test(agrees_with_smaps),
		cmocka_unit_test(questions_that_wait),
		cmocka_unit_test(a_process_that_is_gone),
		cmocka_unit_test(a_server_that_does_not_answer),
		cmocka_unit_test(without_capabilities),
	};

	return cmocka_run_group_tests_name("mapcounts", tests, find_page_size, NULL);
}
