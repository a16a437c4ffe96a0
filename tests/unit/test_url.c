// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options/url.h"
#include "util/cleanup.h"

static void test_what_is_one(void **state)
{
	static const struct {
		const char *text;
		bool tls, is_address;
		const char *host;
		uint16_t port;
		const char *place, *path;
	} cases[] = {
		{"http://a", false, false, "a", 80, "a", ""},
		{"https://a", true, false, "a", 443, "a", ""},
		{"http://a:9093/", false, false, "a", 9093, "a:9093/", "/"},
		{"http://A-1.b_c.example.:1/x/y/", false, false, "A-1.b_c.example.", 1,
		 "A-1.b_c.example.:1/x/y/", "/x/y/"},
		{"http://10.0.0.1:65535", false, true, "10.0.0.1", 65535, "10.0.0.1:65535", ""},
		{"https://[::1]:9093/am", true, true, "::1", 9093, "[::1]:9093/am", "/am"},
		{"https://[fe80::1]", true, true, "fe80::1", 443, "[fe80::1]", ""},
		{"http://me:p%40ss:w@a/b%20c", false, false, "a", 80, "a/b%20c", "/b%20c"},
		{"http://me@a/@", false, false, "a", 80, "a/@", "/@"},
	};
	const char *wrong;
	struct url url;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(url__parse(cases[i].text, &url, &wrong), 0);
		assert_int_equal(url.tls, cases[i].tls);
		assert_int_equal(url.is_address, cases[i].is_address);
		assert_string_equal(url.host, cases[i].host);
		assert_int_equal(url.port, cases[i].port);
		assert_string_equal(url.place, cases[i].place);
		assert_string_equal(url.path, cases[i].path);
	}
}

static void test_what_is_none(void **state)
{
	static const struct {
		const char *text, *wrong;
	} cases[] = {
		{"", "the scheme"},
		{"a:9093", "the scheme"},
		{"HTTP://a", "the scheme"},
		{"ftp://a", "the scheme"},
		{"http:/a", "the scheme"},
		{"file:///etc/passwd", "the scheme"},
		{"http://", "the host"},
		{"http://:80", "the host"},
		{"http:///x", "the host"},
		{"http://a b", "the host"},
		{"http://a..b", "the host"},
		{"http://.a", "the host"},
		{"http://-a", "the host"},
		{"http://a%2fb", "the host"},
		{"http://127.1", "the host"},
		{"http://2130706433", "the host"},
		{"http://0x7f000001", "the host"},
		{"http://a.0X7f", "the host"},
		{"http://1.2.3.256", "the host"},
		{"http://::1", "the host"},
		{"http://[::1", "the host"},
		{"http://[::1%25lo]", "the host"},
		{"http://[1.2.3.4]", "the host"},
		{"http://[::1]x:80", "the host"},
		{"http://\xc3\xa4.example", "the host"},
		{"http://a:", "the port"},
		{"http://a:0", "the port"},
		{"http://a:65536", "the port"},
		{"http://a:+80", "the port"},
		{"http://a:80:80", "the port"},
		{"http://a:000080", "the port"},
		{"http://@a", "the user or password"},
		{"http://a@b@c", "the host"},
		{"http://a b@c", "the user or password"},
		{"http://a%00@c", "the user or password"},
		{"http://a%4@c", "the user or password"},
		{"http://a?x=y", "the path"},
		{"http://a/?x=y", "the path"},
		{"http://a/#x", "the path"},
		{"http://a/x y", "the path"},
		{"http://a/x\ny", "the path"},
		{"http://a/%0", "the path"},
		{"http://a/\x7f", "the path"},
		{"http://a\\@b/", "the user or password"},
	};
	char text[URL_MAX + 16];
	const char *wrong;
	struct url url;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!url__parse(cases[i].text, &url, &wrong))
			fail_msg("accepted: %s", cases[i].text);
		if (strcmp(wrong, cases[i].wrong))
			fail_msg("%s: %s", cases[i].text, wrong);
	}
	memset(text, 'a', sizeof(text));
	memcpy(text, "http://a/", 9);
	text[URL_MAX] = '\0';
	assert_int_equal(url__parse(text, &url, &wrong), 0);
	text[URL_MAX] = 'a';
	text[URL_MAX + 1] = '\0';
	assert_true(url__parse(text, &url, &wrong));
	assert_string_equal(wrong, "its length");
	text[8] = 'a';
	text[300] = '\0';
	assert_true(url__parse(text, &url, &wrong));
	assert_string_equal(wrong, "the host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_one),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
