// SPDX-License-Identifier: BSD-2-Clause
#include "target.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define ARENA_BASE 0x200000000000ULL /* far from all that the kernel chooses */
#define HUGE_BASE  0x200010000000ULL
#define DOWN_BASE  0x200020000000ULL

#define WAIT_MS	    10000
#define CHILD_STEPS 6
#define CHILD_LOGS  3

int futex__wait(uint32_t *word, uint32_t value, unsigned ms)
{
	struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) {
		if (syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0) &&
		    errno == ETIMEDOUT)
			return -ETIMEDOUT;
	}
	return 0;
}

void futex__wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void child__begin(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* cmocka and sanitizers have handlers for them, which would go on. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
}

static void tell(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	futex__wake(word);
}

static struct performer performer_of(struct shared *shared, struct member *member, uint32_t tid,
				     char *log)
{
	return (struct performer){
		.shadow = &member->shadow,
		.backing = &shared->backing,
		.tid = tid,
		.late = shared->late,
		.vfork_stack = shared->vfork_stack + sizeof(shared->vfork_stack),
		.log = log,
	};
}

/* --- children ------------------------------------------------------------------------------ */

/* log: LOG_LEN bytes for each step but the last ones, which share a place. */
static void take_child_steps(struct shared *shared, struct member *child, uint64_t seed, unsigned n,
			     char *log)
{
	struct performer p = performer_of(shared, child, syscall(SYS_getpid), log);
	struct step steps[CHILD_STEPS];

	steps__generate(seed, FAMILY_CHILD, steps, CHILD_STEPS);
	for (unsigned i = 0; i < n && i < CHILD_STEPS; i++) {
		p.log = log + (i < CHILD_LOGS ? i : CHILD_LOGS - 1) * LOG_LEN;
		p.log[0] = '\0';
		perform__step(&p, &steps[i]);
	}
}

static _Noreturn void wait_to_leave(struct member *child)
{
	tell(&child->ready, 1);
	futex__wait(&child->leave, 0, WAIT_MS);
	_exit(0);
}

static unsigned count_child_steps(const struct step *fork_step)
{
	return fork_step->bits >> 8 & 7;
}

static void begin_anew(const struct shared *shared, const struct member *child, uint32_t step)
{
	char fd[24], index[24], n[24];

	snprintf(fd, sizeof(fd), "%d", shared->fd);
	snprintf(index, sizeof(index), "%td", child - shared->children);
	snprintf(n, sizeof(n), "%u", step);
	execve("/proc/self/exe", (char *[]){"property", "--go-on", fd, index, n, NULL}, environ);
	_exit(1);
}

/* Pages that are its parent's until then. */
static void touch_some(struct shared *shared, struct member *child, const struct step *fork_step)
{
	struct performer p = performer_of(shared, child, syscall(SYS_getpid), NULL);
	const struct window *window = &child->shadow.windows[fork_step->window];

	perform__touch(&p, window->base + fork_step->page * PAGE, window->n / 4,
		       fork_step->bits >> 16 & 3);
}

static void child_main(struct shared *shared, struct member *child, uint32_t step, char *log)
{
	const struct step *fork_step = &shared->steps[step];

	child__begin();
	touch_some(shared, child, fork_step);
	take_child_steps(shared, child, fork_step->bits, count_child_steps(fork_step),
			 log + LOG_LEN);
	if (!(fork_step->bits >> 11 & 3))
		begin_anew(shared, child, step);
	wait_to_leave(child);
}

static void end_child(struct member *child)
{
	tell(&child->leave, 1);
	waitpid(child->pid, NULL, 0);
	child->pid = 0;
}

static void do_fork(struct shared *shared, uint32_t n, char *log)
{
	const struct step *step = &shared->steps[n];
	struct member *child = &shared->children[step->bits & 1];
	int pid;

	if (child->pid) {
		end_child(child);
		return;
	}
	child->shadow = shared->target.shadow;
	shadow__fork(&child->shadow);
	child->born = shared->target.shadow.step;
	child->ready = child->leave = 0;
	/* Not fork(), which runs what libraries have to do in a child: that may map memory. */
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		child_main(shared, child, n, log);
	if (pid < 0)
		return;
	snprintf(log, LOG_LEN, "fork = %d; ", pid);
	if (!futex__wait(&child->ready, 0, WAIT_MS))
		__atomic_store_n(&child->pid, pid, __ATOMIC_RELEASE);
}

/* --- threads ------------------------------------------------------------------------------- */

struct worker {
	struct shared *shared;
	unsigned index;
};

static void take_step(struct shared *shared, unsigned worker, uint32_t n)
{
	const struct step *step = &shared->steps[n - 1];
	struct step_log *log = &shared->log[n - 1];
	struct performer p = performer_of(shared, &shared->target, shared->tids[worker], log->text);

	shared->target.shadow.step = n;
	log->began_ns = clock__boot_ns();
	if (step->op == OP_FORK)
		do_fork(shared, n - 1, log->text);
	else
		perform__step(&p, step);
	log->ended_ns = clock__boot_ns();
	tell(&shared->done, n);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct shared *shared = worker->shared;
	uint32_t *turn = &shared->turn[worker->index], last = 0;

	tell(&shared->tids[worker->index], syscall(SYS_gettid));
	for (;;) {
		futex__wait(turn, last, UINT16_MAX * 1000U);
		last = __atomic_load_n(turn, __ATOMIC_ACQUIRE);
		take_step(shared, worker->index, last);
	}
	return NULL;
}

/*
 * Where the kernel puts mappings without an address: at the top of a gap of 1 MiB. Smaller gaps
 * above it (between libraries) are filled first, so that later ones go there too.
 */
static uint64_t find_near(void)
{
	uint64_t size = window__size(WINDOW_NEAR), base;

	base = syscall(SYS_mmap, 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	syscall(SYS_munmap, base, size);
	for (uint64_t n = 64, tries = 0; n; n /= 2) {
		for (; tries < 200; tries++) {
			uint64_t at = syscall(SYS_mmap, 0, n * PAGE, PROT_NONE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (at < base + size) {
				syscall(SYS_munmap, at, n * PAGE);
				break;
			}
		}
	}
	return base;
}

static void lay_out(struct shadow *shadow)
{
	uint64_t base[WINDOWS] = {
		[WINDOW_ARENA] = ARENA_BASE, [WINDOW_HUGE] = HUGE_BASE, [WINDOW_DOWN] = DOWN_BASE};
	uint64_t brk = (syscall(SYS_brk, 0) + PAGE - 1) & ~(PAGE - 1);

	/* Setting the break to what it is moves nothing, and tells the tracer where it is. */
	syscall(SYS_brk, brk);
	base[WINDOW_HEAP] = brk;
	base[WINDOW_NEAR] = find_near();
	shadow__init(shadow, base);
	shadow->brk = brk;
}

static void set_up(struct shared *shared)
{
	static struct worker workers[WORKERS];
	pthread_attr_t attr;
	pthread_t thread;

	child__begin();
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	shared->tids[0] = syscall(SYS_gettid);
	for (unsigned i = 1; i < WORKERS; i++) {
		workers[i] = (struct worker){shared, i};
		if (pthread_create(&thread, &attr, worker_main, &workers[i]))
			_exit(1);
		futex__wait(&shared->tids[i], 0, WAIT_MS);
	}
	lay_out(&shared->target.shadow);
}

/* Memory that others had at the same addresses is not what this program has. */
void target__go_on(char **args)
{
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(args[0]), 0);
	struct member *child;
	uint32_t step = atoi(args[2]);

	if (shared == MAP_FAILED)
		_exit(1);
	child = &shared->children[atoi(args[1])];
	child__begin();
	lay_out(&child->shadow);
	child->shadow.step = step + 1;
	take_child_steps(shared, child, ~(uint64_t)shared->steps[step].bits, CHILD_STEPS,
			 shared->log[step].text + LOG_LEN);
	wait_to_leave(child);
}

static void target_main(struct shared *shared)
{
	uint32_t n = 0;

	set_up(shared);
	tell(&shared->target.ready, 1);
	for (;;) {
		futex__wait(&shared->upto, n, UINT16_MAX * 1000U);
		while (n < __atomic_load_n(&shared->upto, __ATOMIC_ACQUIRE)) {
			unsigned worker = shared->steps[n++].worker;

			if (shared->skip[n - 1])
				tell(&shared->done, n);
			else if (worker)
				tell(&shared->turn[worker], n);
			else
				take_step(shared, 0, n);
			futex__wait(&shared->done, n - 1, UINT16_MAX * 1000U);
		}
	}
}

/* --- from outside -------------------------------------------------------------------------- */

static int make_backing(struct backing *backing)
{
	char path[] = "/tmp/memprov-property-XXXXXX";

	backing->file = mkstemp(path);
	if (backing->file < 0)
		return -errno;
	unlink(path);
	backing->memfd = memfd_create("property", 0);
	if (backing->memfd < 0 || ftruncate(backing->file, FILE_PAGES * PAGE) ||
	    ftruncate(backing->memfd, FILE_PAGES * PAGE))
		return -errno;
	/* Removed at once, they live as long as we are attached: nothing is left behind. */
	for (int i = 0; i < SHM_COUNT; i++) {
		backing->shm[i] = shmget(IPC_PRIVATE, SHM_PAGES * PAGE, 0600);
		if (backing->shm[i] < 0 || shmat(backing->shm[i], NULL, 0) == (void *)-1)
			return -errno;
		shmctl(backing->shm[i], IPC_RMID, NULL);
	}
	return 0;
}

struct shared *shared__new(void)
{
	int fd = memfd_create("shared", 0);
	struct shared *shared;

	if (fd < 0 || ftruncate(fd, sizeof(*shared)))
		return NULL;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return NULL;
	shared->fd = fd;
	for (int i = 0; i < NAMES; i++)
		strcpy(shared->late + i * LATE_STEP, names[i]);
	if (make_backing(&shared->backing)) {
		munmap(shared, sizeof(*shared));
		return NULL;
	}
	return shared;
}

void shared__free(struct shared *shared)
{
	close(shared->backing.file);
	close(shared->backing.memfd);
	close(shared->fd);
	munmap(shared, sizeof(*shared));
}

static bool has_died(struct shared *shared)
{
	return waitpid(shared->target.pid, NULL, WNOHANG) != 0;
}

int target__start(struct shared *shared)
{
	pid_t pid;

	shared->upto = shared->done = 0;
	memset(shared->turn, 0, sizeof(shared->turn));
	memset(shared->tids, 0, sizeof(shared->tids));
	memset(shared->log, 0, sizeof(shared->log));
	shared->target.ready = 0;
	for (int i = 0; i < CHILDREN; i++)
		shared->children[i].pid = 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		target_main(shared);
	shared->target.pid = pid;
	return futex__wait(&shared->target.ready, 0, WAIT_MS);
}

int target__advance(struct shared *shared, uint32_t n)
{
	uint32_t done;

	tell(&shared->upto, n);
	while ((done = __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE)) < n) {
		if (futex__wait(&shared->done, done, 200) && has_died(shared)) {
			shared->target.pid = 0;
			return -ESRCH;
		}
	}
	return 0;
}

void target__stop(struct shared *shared)
{
	for (int i = 0; i < CHILDREN; i++)
		shared->children[i].pid = 0; /* they go with their parent */
	/* The target could have written anything here. */
	if ((pid_t)shared->target.pid > 1) {
		kill(shared->target.pid, SIGKILL);
		waitpid(shared->target.pid, NULL, 0);
	}
	shared->target.pid = 0;
}
