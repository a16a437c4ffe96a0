// SPDX-License-Identifier: BSD-2-Clause
/* Containers and pods by their cgroups, as the runtimes name them: user/proc/container.c. */
/* Rows leave out what they have nothing of. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proc/container.h"
#include "proc/nspid.h"
#include "util/cleanup.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2  "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID  "2f399ea0-2d0d-4e26-8d4f-9a3e7f9b2c11"
#define UID_ "2f399ea0_2d0d_4e26_8d4f_9a3e7f9b2c11"
#define UID2 "11111111-2222-3333-4444-555555555555"
#define HASH "f8fa0ebbd1a5b4cdd5fd4f3a3b2a8d6c" /* a static pod's */
#define POD  "kubepods-burstable-pod" UID_ ".slice"

struct path {
	const char *path;
	const char *id;	     /* NULL: none, "": in a pod without one */
	const char *runtime; /* NULL: not told */
	const char *pod_uid; /* NULL: in none */
	bool delegated;
};

static void check(const struct path *c)
{
	struct container container = {.id = "untouched"};
	int err = container__parse(c->path, strlen(c->path), &container);

	if (err != (c->id ? 0 : -ENOENT))
		fail_msg("%d: %s", err, c->path);
	if (err) {
		assert_string_equal(container.id, "untouched");
		return;
	}
	if (strcmp(container.id, c->id) || strcmp(container.pod_uid, c->pod_uid ?: "") ||
	    strcmp(container.runtime ?: "", c->runtime ?: "") ||
	    container.delegated != c->delegated)
		fail_msg("'%s' by '%s' in '%s', delegated %d: %s", container.id,
			 container.runtime ?: "", container.pod_uid, container.delegated, c->path);
	assert_int_equal(!container.id[0], !container.id_len);
	assert_int_equal(!container.pod_uid[0], !container.pod_len);
	/* Each length ends with a name. */
	for (int i = 0; i < 2; i++) {
		size_t len = i ? container.id_len : container.pod_len;

		assert_true(!len || !c->path[len] || c->path[len] == '/' || c->path[len] == ' ');
	}
}

static void paths_of_runtimes(void **state)
{
	static const struct path paths[] = {
		/* docker: cgroupfs and systemd, v1 and v2, --cgroup-parent */
		{"/docker/" ID, ID, "docker"},
		{"/system.slice/docker-" ID ".scope", ID, "docker"},
		{"/my.slice/docker-" ID ".scope", ID, "docker"},
		{"/my-group/" ID, ID, NULL},
		{"/ecs/8e9a7e6d/" ID, ID, NULL},
		/* containerd by nerdctl: cgroupfs by the name of the namespace, systemd */
		{"/default/" ID, ID, NULL},
		{"/system.slice/nerdctl-" ID ".scope", ID, "containerd"},
		/* Kubernetes by cgroupfs: dockershim, containerd, k3s; of the three QoS classes */
		{"/kubepods/besteffort/pod" UID "/" ID, ID, NULL, UID},
		{"/kubepods/burstable/pod" UID "/" ID, ID, NULL, UID},
		{"/kubepods/pod" UID "/" ID, ID, NULL, UID},
		{"/kubepods/burstable/pod" HASH "/" ID, ID, NULL, HASH},
		{"/kubelet/kubepods/burstable/pod" UID "/" ID, ID, NULL, UID},
		{"/k3s/kubepods/besteffort/pod" UID "/" ID, ID, NULL, UID},
		/* ... by systemd */
		{"/kubepods.slice/kubepods-burstable.slice/" POD "/cri-containerd-" ID ".scope", ID,
		 "containerd", UID},
		{"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", ID,
		 "containerd", UID},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" HASH
		 ".slice/docker-" ID ".scope",
		 ID, "docker", HASH},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
		 "kubelet-kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" ID ".scope",
		 ID, "containerd", UID},
		/* CRI-O: systemd, cgroupfs, and the monitor, which is no container */
		{"/kubepods.slice/kubepods-burstable.slice/" POD "/crio-" ID ".scope", ID, "cri-o",
		 UID},
		{"/kubepods.slice/kubepods-burstable.slice/" POD "/crio-" ID ".scope/container", ID,
		 "cri-o", UID},
		{"/kubepods/burstable/pod" UID "/crio-" ID, ID, "cri-o", UID},
		{"/kubepods.slice/kubepods-burstable.slice/" POD "/crio-conmon-" ID ".scope", "",
		 NULL, UID},
		{"/system.slice/crio-conmon-" ID ".scope"},
		/* podman: systemd, rootless, split, cgroupfs, its own pods, its monitor */
		{"/machine.slice/libpod-" ID ".scope", ID, "podman"},
		{"/machine.slice/libpod-" ID ".scope/container", ID, "podman"},
		{"/machine.slice/machine-libpod_pod_" ID2 ".slice/libpod-" ID ".scope", ID,
		 "podman"},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		 ".scope/container",
		 ID, "podman", NULL, true},
		{"/system.slice/web.service/libpod-payload-" ID, ID, "podman", NULL, true},
		{"/libpod_parent/libpod-" ID, ID, "podman"},
		{"/libpod_parent/" ID2 "/libpod-" ID, ID, "podman"},
		{"/machine.slice/libpod-conmon-" ID ".scope"},
		/* A systemd path for a runtime that makes directories */
		{"/system.slice/containerd.service/" POD ":cri-containerd:" ID, ID, "containerd",
		 UID},
		{"/" POD ":crio:" ID, ID, "cri-o", UID},
		{"/system.slice:docker:" ID, ID, "docker"},
		/* From within another cgroup namespace: a neighbour pod, a neighbour container */
		{"/../../pod" UID "/" ID, ID, NULL, UID},
		{"/../../" POD "/cri-containerd-" ID ".scope", ID, "containerd", UID},
		{"/../cri-containerd-" ID ".scope", ID, "containerd"},
		{"/../../../besteffort/pod" UID "/" ID "/init.scope", ID, NULL, UID},
		{"/../../../../system.slice/docker-" ID ".scope", ID, "docker"},
		/* The pod's own processes, and those of cgroups that are going */
		{"/kubepods/besteffort/pod" UID, "", NULL, UID},
		{"/kubepods/pod" UID "/kata_overhead", "", NULL, UID},
		{"/kubepods/besteffort/pod" UID " (deleted)", "", NULL, UID},
		{"/docker/" ID " (deleted)", ID, "docker"},
		{"/kubepods/besteffort/pod" UID "/" ID "/x (deleted)", ID, NULL, UID},
		/* Within the container: systemd, docker, Kubernetes, of its own */
		{"/docker/" ID "/system.slice/nginx.service", ID, "docker"},
		{"/docker/" ID "/docker/" ID2, ID, "docker"},
		{"/docker/" ID "/kubelet/kubepods/besteffort/pod" UID "/" ID2, ID, "docker"},
		{"//docker///" ID "/", ID, "docker"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		check(&paths[i]);
}

static void paths_of_none(void **state)
{
	static const struct path paths[] = {
		{"/"},
		{"/.."},
		{"/../.."},
		{""},
		{"/init.scope"},
		{"/system.slice/redis.service"},
		{"/user.slice/user-1000.slice/session-4.scope"},
		{"/kubepods"},
		{"/kubepods/besteffort"},
		{"/kubepods.slice/kubepods-burstable.slice"},
		{"/process_api/dfdac759757187178753f33e68fa6418"},
		{"/docker/0123456789ab"},
		{"/docker/" ID "0"},
		{"/docker/x" ID},
		{"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"},
		{"/docker/g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		{"/docker-" ID ".service"},
		{"/docker-" ID ".scope.d"},
		{"/xdocker-" ID ".scope"},
		{"/unknown-" ID ".scope"},
		{"/cri-containerd-.scope"},
		{"/:cri-containerd:"},
		{"/lxc/web"},
		{"/lxc.payload.web"},
		{"/machine.slice/machine-web.scope"},
		/* A pod's name that is none, or somewhere else */
		{"/kubepods/pod"},
		{"/kubepods/podx"},
		{"/kubepods/pod" UID "x"},
		{"/kubepods/xpod" UID},
		{"/kubepods/pod2f399ea0-2d0d-4e26-8d4f-9a3e7f9b2c1"},
		{"/kubepods/pod2f399ea0-2d0d-4e26-8d4f09a3e7f9b2c11"},
		{"/kubepods/pod2F399EA0-2d0d-4e26-8d4f-9a3e7f9b2c11"},
		{"/pods/pod" UID},
		{"/other.slice/other-pod" UID_ ".slice"},
		{"/kubepods.slice/kubepods-pod" UID_},
		{"/kubepods.slice/pod" UID_ ".slice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		check(&paths[i]);
}

/* A process that may make cgroups must not be able to pose as another pod. */
static void paths_of_impostors(void **state)
{
	static const struct path paths[] = {
		/* from inside of a container: below its own */
		{"/kubepods/pod" UID "/" ID "/kubepods/pod" UID2 "/" ID2, ID, NULL, UID},
		{"/kubepods.slice/" POD "/cri-containerd-" ID ".scope/kubepods-pod" UID2
		 ".slice/cri-containerd-" ID2 ".scope",
		 ID, "containerd", UID},
		{"/docker/" ID "/kubepods/pod" UID "/" ID2, ID, "docker"},
		/* a user in their own slice, a service in its own cgroup */
		{"/user.slice/user-1000.slice/user@1000.service/kubepods/pod" UID "/" ID, ID, NULL,
		 NULL, true},
		{"/user.slice/user-1000.slice/user@1000.service/" POD "/cri-containerd-" ID
		 ".scope",
		 ID, "containerd", NULL, true},
		{"/user.slice/kubepods/pod" UID},
		{"/system.slice/evil.service/kubepods/pod" UID "/" ID, ID, NULL, NULL, true},
		{"/system.slice/evil.service/" POD ":cri-containerd:" ID, ID, "containerd", NULL,
		 true},
		{"/system.slice/xcontainerd.service/" POD},
		/* a second pod below the first */
		{"/kubepods/pod" UID "/kubepods/pod" UID2 "/" ID, ID, NULL, UID},
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		check(&paths[i]);
}

static void the_line_that_decides(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *id;
	} cases[] = {
		{"0::/docker/" ID "\n", 0, ID},
		{"4:memory:/docker/" ID "\n3:cpu:/docker/" ID2 "\n0::/\n", 0, ID},
		{"3:cpu:/docker/" ID2 "\n4:memory:/docker/" ID "\n0::/\n", 0, ID},
		{"4:memory:/\n1:name=systemd:/docker/" ID2 "\n0::/\n", 0, ID2},
		{"1:name=systemd:/docker/" ID2 "\n0::/docker/" ID "\n", 0, ID2},
		{"4:memory:/\n0::/system.slice/docker-" ID ".scope\n", 0, ID},
		{"0::/\n", -ENOENT, NULL},
		{"", -ENOENT, NULL},
		{"0::/docker/" ID, -EBADMSG, NULL},
		{"nonsense\n", -EBADMSG, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container container = {};
		int err = container__find(cases[i].text, strlen(cases[i].text), &container);

		if (err != cases[i].err)
			fail_msg("%d: %s", err, cases[i].text);
		if (!err)
			assert_string_equal(container.id, cases[i].id);
	}
}

static void ids_and_uids(void **state)
{
	char uid[POD_UID_MAX + 1] = "untouched";

	assert_true(container__is_id("0123456789ab", 12));
	assert_true(container__is_id(ID, 64));
	assert_false(container__is_id("0123456789a", 11));
	assert_false(container__is_id(ID "0", 65));
	assert_false(container__is_id("0123456789aB", 12));
	assert_false(container__copy_uid(UID, 35, uid));
	assert_string_equal(uid, "untouched");
	assert_true(container__copy_uid(UID_, 36, uid));
	assert_string_equal(uid, UID);
	assert_true(container__copy_uid(HASH, 32, uid));
	assert_string_equal(uid, HASH);
}

static void own_pids(void **state)
{
	static const struct {
		const char *text;
		int err;
		pid_t pid;
		size_t depth;
	} cases[] = {
		{"Name:\tx\nNStgid:\t42\nThreads:\t1\n", 0, 42, 0},
		{"NStgid:\t21126\t7\n", 0, 7, 1},
		/* As a thread's status has it. */
		{"Tgid:\t42\nPid:\t43\nNStgid:\t42\t5\nNSpid:\t43\t6\n", 0, 5, 1},
		{"NStgid:\t21126\t7\t1\n", 0, 1, 2},
		/* A comm is shown with its newlines escaped. */
		{"Name:\tx\\nNStgid:\t1\nNStgid:\t5\n", 0, 5, 0},
		{"NStgid:\n", -EBADMSG},
		{"NStgid:\tx\n", -EBADMSG},
		{"NStgid:\t1 2\n", -EBADMSG},
		{"NStgid:\t1", -EBADMSG},
		{"NSpid:\t1\n", -EBADMSG},
		{"", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nspid nspid = {};

		if (nspid__parse(cases[i].text, strlen(cases[i].text), &nspid) != cases[i].err)
			fail_msg("%s", cases[i].text);
		assert_int_equal(nspid.pid, cases[i].pid);
		assert_int_equal(nspid.depth, cases[i].depth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_runtimes),  cmocka_unit_test(paths_of_none),
		cmocka_unit_test(paths_of_impostors), cmocka_unit_test(the_line_that_decides),
		cmocka_unit_test(ids_and_uids),	      cmocka_unit_test(own_pids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
