// SPDX-License-Identifier: BSD-2-Clause
/* The queue of reports to make: which source has its turn, and which job gives way.
 * user/serve/jobs.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/crew.h"
#include "serve/jobs.h"
#include "util/cleanup.h"

#define QUEUE 6

struct fixture {
	struct crew *crew;
	struct jobs *jobs;
};

static void never_run(struct job *job, struct visitor *visitor)
{
	fail();
}

/* No thread works, so what is queued stays there. */
static int set_up(void **state)
{
	static struct fixture fixture;
	struct jobs_config config = {.queue = QUEUE, .run = never_run, .stuck = never_run};

	assert_int_equal(crew__new("/proc", 0, &fixture.crew), 0);
	config.crew = fixture.crew;
	assert_int_equal(jobs__new(&config, &fixture.jobs), 0);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	while (jobs__take_back(fixture->jobs))
		;
	assert_int_equal(crew__stop(fixture->crew, 0), 0);
	jobs__free(fixture->jobs);
	crew__free(fixture->crew);
	return 0;
}

/* Each is of the source that its letter is. */
static void fill(struct jobs *jobs, struct job *job, const char *sources)
{
	struct job *out;

	for (; *sources; sources++, job++) {
		job->source = *sources;
		assert_int_equal(jobs__submit(jobs, job, &out), 0);
		assert_null(out);
	}
}

/* In the order in which they come out. */
static void check_order(struct jobs *jobs, const char *sources)
{
	struct job *job;

	for (; *sources; sources++) {
		job = jobs__take_back(jobs);
		assert_non_null(job);
		assert_int_equal(job->source, *sources);
	}
	assert_null(jobs__take_back(jobs));
}

static void sources_take_turns(void **state)
{
	struct fixture *fixture = *state;
	struct job jobs[QUEUE];

	fill(fixture->jobs, jobs, "aaabac");
	check_order(fixture->jobs, "abcaaa");
}

static void within_a_source_the_first_comes_first(void **state)
{
	struct fixture *fixture = *state;
	struct job jobs[QUEUE];

	fill(fixture->jobs, jobs, "aaaaaa");
	for (int i = 0; i < QUEUE; i++)
		assert_ptr_equal(jobs__take_back(fixture->jobs), &jobs[i]);
}

static void the_newest_of_the_greediest_gives_way(void **state)
{
	struct fixture *fixture = *state;
	struct job jobs[QUEUE], another = {.source = 'b'}, third = {.source = 'b'}, *out;

	fill(fixture->jobs, jobs, "aaaaab");
	assert_int_equal(jobs__submit(fixture->jobs, &another, &out), 0);
	assert_ptr_equal(out, &jobs[4]);
	assert_int_equal(jobs__submit(fixture->jobs, &third, &out), 0);
	assert_ptr_equal(out, &jobs[3]);
	/* Now both have three. */
	assert_int_equal(jobs__submit(fixture->jobs, &jobs[4], &out), -EAGAIN);
	assert_null(out);
	check_order(fixture->jobs, "ababab");
}

static void a_source_alone_has_it_all_and_no_more(void **state)
{
	struct fixture *fixture = *state;
	struct job jobs[QUEUE], another = {.source = 'a'}, *out;

	fill(fixture->jobs, jobs, "aaaaaa");
	assert_int_equal(jobs__submit(fixture->jobs, &another, &out), -EAGAIN);
	check_order(fixture->jobs, "aaaaaa");
}

static void what_comes_again_comes_first(void **state)
{
	struct fixture *fixture = *state;
	struct job jobs[QUEUE], again = {.source = 'c'};

	fill(fixture->jobs, jobs, "ababab");
	assert_int_equal(jobs__submit_again(fixture->jobs, &again), 0);
	check_order(fixture->jobs, "cababab");
}

/* --- with threads -------------------------------------------------------------------------- */

#define THREADS 4
#define AT_ONCE 2

struct running {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int of_a, of_b; /* that run */
	bool go_on;
};

static struct running running = {.lock = PTHREAD_MUTEX_INITIALIZER,
				 .changed = PTHREAD_COND_INITIALIZER};

static void run_until_told(struct job *job, struct visitor *visitor)
{
	pthread_mutex_lock(&running.lock);
	*(job->source == 'a' ? &running.of_a : &running.of_b) += 1;
	pthread_cond_broadcast(&running.changed);
	while (!running.go_on)
		pthread_cond_wait(&running.changed, &running.lock);
	pthread_mutex_unlock(&running.lock);
}

/* However many jobs one source has, the threads that are left run those of another at once; and
 * when its first are done, its others. */
static void one_source_leaves_threads_to_others(void **state)
{
	struct crew *crew;
	struct jobs *all;
	struct job jobs[QUEUE];
	struct jobs_config config = {
		.threads = THREADS,
		.at_once = AT_ONCE,
		.queue = QUEUE,
		.run = run_until_told,
		.stuck = never_run,
	};

	assert_int_equal(crew__new("/proc", THREADS, &crew), 0);
	config.crew = crew;
	assert_int_equal(jobs__new(&config, &all), 0);
	fill(all, jobs, "aaaaab");
	pthread_mutex_lock(&running.lock);
	while (running.of_a < AT_ONCE || running.of_b < 1)
		pthread_cond_wait(&running.changed, &running.lock);
	assert_int_equal(running.of_a, AT_ONCE);
	running.go_on = true;
	pthread_cond_broadcast(&running.changed);
	while (running.of_a < 5)
		pthread_cond_wait(&running.changed, &running.lock);
	pthread_mutex_unlock(&running.lock);
	while (crew__stop(crew, 1000000))
		;
	jobs__free(all);
	crew__free(crew);
}

int main(void)
{
	alarm(60); /* a job that does not run is a failure */
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(sources_take_turns),
		TEST(within_a_source_the_first_comes_first),
		TEST(the_newest_of_the_greediest_gives_way),
		TEST(a_source_alone_has_it_all_and_no_more),
		TEST(what_comes_again_comes_first),
		cmocka_unit_test(one_source_leaves_threads_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
