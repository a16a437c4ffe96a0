// SPDX-License-Identifier: BSD-2-Clause
/* Which clients may ask: tokens, Host headers, credentials. user/serve/{token,host}.c,
 * user/proc/credentials.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/credentials.h"
#include "serve/host.h"
#include "serve/token.h"
#include "util/cleanup.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static void texts_of_tokens(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} cases[] = {
		{SECRET, 32},
		{SECRET "\n", 32},
		{SECRET "\r\n", 32},
		{"0123456789abcdef", 16},
		{"0123456789abcde", -EMSGSIZE},
		{"0123456789abcde\n", -EMSGSIZE},
		{"", -EMSGSIZE},
		{"\n", -EMSGSIZE},
		{SECRET "\n\n", -EILSEQ},
		{SECRET " x", -EILSEQ},
		{" " SECRET, -EILSEQ},
		{SECRET "\xff", -EILSEQ},
		{SECRET "\nsecond line", -EILSEQ},
	};
	char longest[TOKEN_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(token__check_text(cases[i].text, strlen(cases[i].text)),
				 cases[i].ret);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(token__check_text(longest, TOKEN_MAX), TOKEN_MAX);
	assert_int_equal(token__check_text(longest, TOKEN_MAX + 1), -EMSGSIZE);
	assert_int_equal(token__check_text(SECRET "\0", sizeof(SECRET)), -EILSEQ);
}

static void tokens_are_compared_whole(void **state)
{
	char given[] = SECRET;

	assert_true(token__equal(SECRET, 32, SECRET, 32));
	for (size_t i = 0; i < 32; i++) {
		assert_false(token__equal(SECRET, 32, SECRET, i)); /* truncated */
		given[i] ^= 1;
		assert_false(token__equal(SECRET, 32, given, 32));
		given[i] ^= 1;
	}
	assert_false(token__equal(SECRET, 16, SECRET, 32)); /* which repeats it */
	assert_false(token__equal(SECRET, 32, SECRET "x", 33));
	assert_false(token__equal("", 0, "", 0));
	assert_false(token__equal("", 0, SECRET, 32));
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void the_file_is_read_again(void **state)
{
	char dir[] = "/tmp/memprov-test-XXXXXX", path[64];
	struct token *token = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/token", dir);
	assert_int_equal(token__open(path, &token), -ENOENT);
	put(path, "");
	assert_int_equal(token__open(path, &token), -EMSGSIZE);
	put(path, "short\n");
	assert_int_equal(token__open(path, &token), -EMSGSIZE);
	assert_int_equal(token__open(dir, &token), -EMEDIUMTYPE);
	put(path, SECRET "\n");
	assert_int_equal(token__open(path, &token), 0);
	assert_true(token__accepts(token, "Bearer " SECRET));
	assert_true(token__accepts(token, "bearer " SECRET));
	assert_false(token__accepts(token, "Bearer " SECRET "\n"));
	assert_false(token__accepts(token, "Bearer  " SECRET));
	assert_false(token__accepts(token, "Basic " SECRET));
	assert_false(token__accepts(token, SECRET));
	assert_false(token__accepts(token, "Bearer "));
	assert_false(token__accepts(token, ""));
	/* Of the same length, within the same tick of the clock. */
	put(path, "fedcba9876543210fedcba9876543210");
	assert_false(token__accepts(token, "Bearer " SECRET));
	assert_true(token__accepts(token, "Bearer fedcba9876543210fedcba9876543210"));
	/* Nothing is accepted while there is none. */
	put(path, "");
	assert_false(token__accepts(token, "Bearer "));
	assert_false(token__accepts(token, "Bearer fedcba9876543210fedcba9876543210"));
	unlink(path);
	assert_false(token__accepts(token, "Bearer fedcba9876543210fedcba9876543210"));
	put(path, SECRET);
	assert_true(token__accepts(token, "Bearer " SECRET));
	token__free(token);
	unlink(path);
	rmdir(dir);
}

static void hosts(void **state)
{
	static const struct {
		const char *host;
		bool ours;
	} cases[] = {
		{"localhost", true},
		{"LOCALHOST:6060", true},
		{"127.0.0.1", true},
		{"127.0.0.1:6060", true},
		{"10.1.2.3:6060", true},
		{"[::1]", true},
		{"[::1]:6060", true},
		{"memprov.example", true},
		{"Memprov.Example:443", true},
		{"node1", true},
		{"evil.example", false},
		{"evil.example:6060", false},
		{"localhost.evil.example", false},
		{"127.0.0.1.evil.example", false},
		{"memprov.example.evil", false},
		{"xmemprov.example", false},
		{"memprov", false},
		{"memprov.example,node1", false},
		{"127.0.0.1:x", false},
		{"127.0.0.1:99999", false},
		{"127.0.0.1:", false},
		{"::1", false},
		{"[::1", false},
		{"[::1]x", false},
		{"[evil.example]", false},
		{"", false},
		{":6060", false},
		{"localhost evil", false},
		{"user@localhost", false},
		{"2130706433", false},
		{"0x7f.1", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (host__is_ours(cases[i].host, "memprov.example,node1") != cases[i].ours)
			fail_msg("%s", cases[i].host);
	}
	assert_false(host__is_ours("", ",,"));
	assert_false(host__is_ours("node1", NULL));
}

static void credentials(void **state)
{
	static const char good[] = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
				   "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000003\n";
	static const char *const bad[] = {
		"",
		"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n",
		"Uid:\t1\t2\nGid:\t5\t6\t7\t8\nCapPrm:\t0\n",
		"Uid:\t1\t2\tx\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t0\n",
		"Uid:\t1\t2\t4294967296\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t0\n",
		"Uid:\t1\t2\t3\nGid:\t5\t6\t7\t8\nCapPrm:\t0\nCapEff:\t0\n",
		"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t0\n",
		"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t0\nCapEff:\t0",
	};
	struct credentials c;

	assert_int_equal(credentials__parse(good, strlen(good), &c), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(c.uids[i], 1 + i);
		assert_int_equal(c.gids[i], 5 + i);
	}
	assert_true(c.effective == 3);
	assert_true(c.permitted == 0x1ffffffffff);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(credentials__parse(bad[i], strlen(bad[i]), &c), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_tokens),
		cmocka_unit_test(tokens_are_compared_whole),
		cmocka_unit_test(the_file_is_read_again),
		cmocka_unit_test(hosts),
		cmocka_unit_test(credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
