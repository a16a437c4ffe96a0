// SPDX-License-Identifier: BSD-2-Clause
/* What the answers of an opener are taken for: user/symbolize/opening.h. The launcher and the
 * opener are this test's, because a kernel that is short of something cannot be had at will. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "symbolize/opening.h"
#include "util/cleanup.h"
#include "wire/channel.h"

struct opener {
	int socket; /* the launcher's */
	int32_t answers[2];
};

static void *open_as_told(void *arg)
{
	const struct opener *opener = arg;
	struct launcher_packet packet;
	struct opener_request request;
	struct launcher_answer answer = {.pid = 1234567890, .number = 1};
	int theirs = -1, root = -1;

	if (channel__receive(opener->socket, &packet, sizeof(packet), &theirs, CHANNEL_FOREVER) !=
		    sizeof(packet) ||
	    channel__send(opener->socket, &answer, sizeof(answer), -1, CHANNEL_FOREVER) ||
	    channel__receive(theirs, &request, sizeof(request), &root, CHANNEL_FOREVER) !=
		    sizeof(request))
		return NULL;
	for (size_t i = 0; i < request.n; i++)
		channel__send(theirs, &opener->answers[i], sizeof(opener->answers[i]), -1,
			      CHANNEL_FOREVER);
	close(root);
	close(theirs);
	return NULL;
}

static bool suits(int fd, void *ctx)
{
	(void)fd, (void)ctx;
	return true;
}

static int answer_to(int32_t one, int32_t other)
{
	struct opener_request *request = test_calloc(1, sizeof(*request));
	struct opener opener = {.answers = {one, other}};
	struct launcher launcher = {};
	pthread_t thread;
	int pair[2], err;

	request->n = 2;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	launcher.socket = pair[0];
	opener.socket = pair[1];
	assert_int_equal(pthread_create(&thread, NULL, open_as_told, &opener), 0);
	err = opening__open(&launcher, STDIN_FILENO, request, suits, NULL);
	pthread_join(thread, NULL);
	close(pair[0]);
	close(pair[1]);
	test_free(request);
	return err;
}

static void what_is_short_now_may_be_there_later(void **state)
{
	static const int later[] = {EAGAIN, EMFILE, ENFILE, ENOMEM, EINTR, EIO};

	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		assert_int_equal(answer_to(-later[i], -ENOENT), -EAGAIN);
		assert_int_equal(answer_to(-ENOENT, -later[i]), -EAGAIN);
	}
	/* It was opened, and there was no descriptor free to receive it. */
	assert_int_equal(answer_to(0, -ENOENT), -EAGAIN);
}

static void what_is_not_there_is_not_there(void **state)
{
	static const int never[] = {ENOENT, ENOTDIR, EACCES, ELOOP, EXDEV, EMEDIUMTYPE};

	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_int_equal(answer_to(-ENOENT, -never[i]), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_short_now_may_be_there_later),
		cmocka_unit_test(what_is_not_there_is_not_there),
	};

	return cmocka_run_group_tests_name("opening", tests, NULL, NULL);
}
