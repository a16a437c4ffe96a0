// SPDX-License-Identifier: BSD-2-Clause
/* What pods are called, by the names below /var/log: user/proc/pod_logs.c. */
/* Rows leave out what they have nothing of. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/pod_logs.h"
#include "util/cleanup.h"

#define ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2    "0123456789abffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define ID3    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID    "2f399ea0-2d0d-4e26-8d4f-9a3e7f9b2c11"
#define UID2   "11111111-2222-3333-4444-555555555555"
#define HASH   "f8fa0ebbd1a5b4cdd5fd4f3a3b2a8d6c"
#define TARGET "/var/log/pods/prod_web-0_" UID "/nginx/0.log"
#define X50    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X170   X50 X50 X50 "xxxxxxxxxxxxxxxxxxxx"

static void names_of_directories(void **state)
{
	static const struct {
		const char *name, *namespace, *pod, *uid; /* NULL: refused */
	} cases[] = {
		{"prod_web-0_" UID, "prod", "web-0", UID},
		{"kube-system_etcd-node1_" HASH, "kube-system", "etcd-node1", HASH},
		{"a_b.c.example_" UID, "a", "b.c.example", UID},
		{UID}, /* before Kubernetes 1.14 */
		{"prod_web-0"},
		{"prod_web-0_"},
		{"_web-0_" UID},
		{"prod__" UID},
		{"prod_web-0_x"},
		{"a_b_c_" UID},
		{"a_b_" UID "_"},
		{"a.b_c_" UID},
		{"Prod_web_" UID},
		{"prod_-web_" UID},
		{"prod_web-_" UID},
		{"pr/od_web_" UID},
		{"prod_w\nb_" UID},
		{""},
		{"__"},
		{X50 X50 "_web_" UID},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pod_names names = {.pod = "untouched"};
		bool good = pod_log__parse_dir(cases[i].name, strlen(cases[i].name), &names);

		if (good != !!cases[i].pod)
			fail_msg("%d: %s", good, cases[i].name);
		assert_string_equal(names.pod, good ? cases[i].pod : "untouched");
		if (!good)
			continue;
		assert_string_equal(names.namespace, cases[i].namespace);
		assert_string_equal(names.uid, cases[i].uid);
		assert_string_equal(names.container, "");
	}
}

static void names_of_links(void **state)
{
	static const struct {
		const char *name, *target;
		const char *container, *id; /* NULL: refused */
	} cases[] = {
		{"web-0_prod_nginx-" ID ".log", TARGET, "nginx", ID},
		{"web-0_prod_nginx-" ID ".log", "../pods/prod_web-0_" UID "/nginx/7.log", "nginx",
		 ID},
		/* A name with dashes: where it ends is the target's word. */
		{"web-0_prod_a-b-c-" ID ".log", "/x/prod_web-0_" UID "/a-b-c/0.log", "a-b-c", ID},
		/* The name says one thing, the target another. */
		{"web-1_prod_nginx-" ID ".log", TARGET},
		{"web-0_test_nginx-" ID ".log", TARGET},
		{"web-0_prod_redis-" ID ".log", TARGET},
		{"web-0_prod_nginx-" ID ".log", "/var/log/pods/prod_web-0_" UID "/0.log"},
		{"web-0_prod_nginx-" ID ".log", "/etc/shadow"},
		{"web-0_prod_nginx-" ID ".log", ""},
		{"web-0_prod_nginx-" ID ".log", "////"},
		{"web-0_prod_nginx-" ID, TARGET},
		{"web-0_prod_nginx-" ID "0.log", TARGET},
		{"web-0_prod_nginx-X123456789abcdef.log", TARGET},
		/* A short id in a name that had room for a whole one. */
		{"web-0_prod_nginx-0123456789ab.log", TARGET},
		{"web-0_prod_nginx-.log", TARGET},
		{"", TARGET},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pod_names names = {.pod = "untouched"};
		char id[CONTAINER_ID_LEN + 1] = "untouched";
		bool good = pod_log__parse_link(cases[i].name, cases[i].target, &names, id);

		if (good != !!cases[i].id)
			fail_msg("%d: %s -> %s", good, cases[i].name, cases[i].target);
		assert_string_equal(id, good ? cases[i].id : "untouched");
		if (good)
			assert_string_equal(names.container, cases[i].container);
	}
}

/* As the kubelet makes it: 255 bytes with ".log", whatever is cut for it (logSymlink() in
 * pkg/kubelet/kuberuntime/legacy.go). */
static void make_link_name(const char *pod, const char *namespace, const char *container,
			   const char *id, char ret[NAME_MAX + 1])
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "%s_%s_%s-%s", pod, namespace, container, id);
	snprintf(ret, NAME_MAX + 1, "%.251s.log", whole);
}

static void names_that_were_cut(void **state)
{
	static const struct {
		const char *container;
		int id_len; /* what is left of it; 0: too little */
	} cases[] = {
		{"c", 64},
		{"cccccccccccccccccccc", 54},
		{X50 "cccccccccc", 14},
		{X50 "cccccccccccc", 12},
		{X50 "ccccccccccccc", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[NAME_MAX + 1], target[PATH_MAX], id[CONTAINER_ID_LEN + 1] = "";
		struct pod_names names;

		make_link_name(X170, "prod", cases[i].container, ID, name);
		snprintf(target, sizeof(target), "/var/log/pods/prod_" X170 "_" UID "/%s/0.log",
			 cases[i].container);
		assert_int_equal(pod_log__parse_link(name, target, &names, id),
				 cases[i].id_len > 0);
		assert_int_equal(strlen(id), cases[i].id_len);
		assert_memory_equal(id, ID, cases[i].id_len);
	}
}

/* --- a directory of them ------------------------------------------------------------------- */

struct fixture {
	char dir[64];
	struct pod_logs *logs;
};

static void run(const char *format, const struct fixture *f)
{
	char command[256];

	snprintf(command, sizeof(command), format, f->dir);
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/memprov-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(pod_logs__new(f->dir, &f->logs), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	pod_logs__free(f->logs);
	run("rm -r %s", f);
	free(f);
	return 0;
}

static void add_pod(const struct fixture *f, const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/pods/%s", f->dir, dir);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void add_link(const struct fixture *f, const char *pod, const char *namespace,
		     const char *uid, const char *container, const char *id)
{
	char target[PATH_MAX], path[PATH_MAX], name[NAME_MAX + 1];

	make_link_name(pod, namespace, container, id, name);
	snprintf(path, sizeof(path), "%s/containers/%s", f->dir, name);
	snprintf(target, sizeof(target), "/var/log/pods/%s_%s_%s/%s/0.log", namespace, pod, uid,
		 container);
	assert_int_equal(symlink(target, path), 0);
}

static struct pod_names find(const struct fixture *f, const char *id, const char *uid)
{
	struct container container = {};
	struct pod_names names = {};

	strcpy(container.id, id);
	strcpy(container.pod_uid, uid);
	pod_logs__find(f->logs, &container, &names);
	return names;
}

static void what_is_there_is_found(void **state)
{
	const struct fixture *f = *state;
	struct pod_names names;

	run("cd %s && mkdir pods containers", f);
	add_pod(f, "prod_web-0_" UID);
	add_pod(f, "nonsense");
	add_link(f, "web-0", "prod", UID, "nginx", ID);
	run("touch %s/containers/web-0_prod_nginx-" ID3 ".log", f);

	names = find(f, ID, UID);
	assert_string_equal(names.namespace, "prod");
	assert_string_equal(names.pod, "web-0");
	assert_string_equal(names.container, "nginx");
	assert_string_equal(names.uid, UID);
	/* The path does not tell the pod. */
	assert_string_equal(find(f, ID, "").container, "nginx");
	/* The pod alone: the sandbox's own container has no log. */
	names = find(f, ID3, UID);
	assert_string_equal(names.pod, "web-0");
	assert_string_equal(names.container, "");
	assert_string_equal(find(f, "", UID).pod, "web-0");
	/* The path says another pod than the link: then neither is believed. */
	assert_string_equal(find(f, ID, UID2).pod, "");
	assert_string_equal(find(f, ID3, "").pod, "");
	assert_string_equal(find(f, "", "").pod, "");
}

static void users_containers_have_no_names(void **state)
{
	const struct fixture *f = *state;
	struct container container = {.id = ID, .delegated = true};
	struct pod_names names;

	run("cd %s && mkdir pods containers", f);
	add_link(f, "web-0", "prod", UID, "nginx", ID);
	assert_false(pod_logs__find(f->logs, &container, &names));
	container.delegated = false;
	assert_true(pod_logs__find(f->logs, &container, &names));
}

static void cut_ids_must_tell_apart(void **state)
{
	const struct fixture *f = *state;

	run("cd %s && mkdir pods containers", f);
	/* 12 digits are left of each. */
	add_link(f, X170, "prod", UID, X50 "cccccccccccc", ID);
	assert_string_equal(find(f, ID, UID).container, X50 "cccccccccccc");
	assert_string_equal(find(f, ID2, UID).container, X50 "cccccccccccc");
	assert_string_equal(find(f, ID, "").container, "");
	assert_string_equal(find(f, ID, UID2).container, "");
	add_link(f, X170, "prod", UID, X50 "dddddddddddd", ID2);
	assert_string_equal(find(f, ID, UID).container, "");
}

/* The next look sees a change, however the directories come and go. */
static void changes_are_seen(void **state)
{
	const struct fixture *f = *state;

	assert_string_equal(find(f, ID, UID).pod, "");
	run("cd %s && mkdir pods containers", f);
	usleep(1100000); /* what is not there cannot be watched */
	assert_string_equal(find(f, ID, UID).pod, "");
	add_pod(f, "prod_web-0_" UID);
	assert_string_equal(find(f, ID, UID).pod, "web-0");
	add_link(f, "web-0", "prod", UID, "nginx", ID);
	assert_string_equal(find(f, ID, UID).container, "nginx");
	run("cd %s && mv containers old", f);
	assert_string_equal(find(f, ID, UID).container, "");
	run("cd %s && mv old containers", f);
	usleep(1100000);
	assert_string_equal(find(f, ID, UID).container, "nginx");
	run("cd %s && rm -r containers pods", f);
	assert_string_equal(find(f, ID, UID).pod, "");
	run("cd %s && mkdir pods containers", f);
	usleep(1100000);
	add_link(f, "web-0", "prod", UID, "nginx", ID);
	assert_string_equal(find(f, ID, UID).container, "nginx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_directories),
		cmocka_unit_test(names_of_links),
		cmocka_unit_test(names_that_were_cut),
		cmocka_unit_test_setup_teardown(what_is_there_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(users_containers_have_no_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_ids_must_tell_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changes_are_seen, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
