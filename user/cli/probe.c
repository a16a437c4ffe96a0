// SPDX-License-Identifier: BSD-2-Clause
/* The probes of what reports take. */
#include "cli/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "proc/hidepid.h"
#include "proc/pagemap.h"
#include "util/cleanup.h"

/* Newer than Debian 12's headers: include/uapi/linux/prctl.h (5.17), linux/fs.h (6.11). */
#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

struct procmap_query_11 {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

#define PROCMAP_QUERY_11	       _IOWR('f', 17, struct procmap_query_11)
#define PROCMAP_QUERY_COVERING_OR_NEXT 0x10

/* PROC_PID_INIT_INO (include/linux/proc_ns.h). */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"

bool probe__kernel(char detail[PROBE_DETAIL_LEN])
{
	struct utsname name = {};

	uname(&name);
	snprintf(detail, PROBE_DETAIL_LEN, "%.64s %.64s, %.32s", name.sysname, name.release,
		 name.machine);
	return !strcmp(name.machine, "x86_64") || !strcmp(name.machine, "aarch64");
}

bool probe__anon_vma_name(char detail[PROBE_DETAIL_LEN])
{
	size_t size = sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = ENOMEM;

	if (page != MAP_FAILED) {
		err = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, size, "memprov") ? errno : 0;
		munmap(page, size);
	}
	snprintf(detail, PROBE_DETAIL_LEN, "the kernel %s%s",
		 err ? "refuses names of mappings: " : "keeps names of mappings",
		 err ? strerror(err) : "");
	return !err;
}

bool probe__pagemap_scan(char detail[PROBE_DETAIL_LEN])
{
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int can = fd < 0 ? -errno : pagemap__can_scan(fd);

	snprintf(detail, PROBE_DETAIL_LEN, "%s",
		 can > 0    ? "ranges are scanned by the kernel"
		 : can == 0 ? "this kernel has no such ioctl"
			    : strerror(-can));
	return can > 0;
}

bool probe__procmap_query(char detail[PROBE_DETAIL_LEN])
{
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct procmap_query_11 query = {.size = sizeof(query),
					 .query_flags = PROCMAP_QUERY_COVERING_OR_NEXT};
	int err = fd < 0 || ioctl(fd, PROCMAP_QUERY_11, &query) ? errno : 0;

	snprintf(detail, PROBE_DETAIL_LEN, "%s",
		 !err		 ? "single mappings can be looked up"
		 : err == ENOTTY ? "this kernel has no such ioctl"
				 : strerror(err));
	return !err;
}

bool probe__hidepid(char detail[PROBE_DETAIL_LEN])
{
	bool hidden = hidepid__hides_others("/proc");

	snprintf(detail, PROBE_DETAIL_LEN, "%s",
		 hidden ? "/proc is mounted with hidepid" : "other users' processes are seen");
	return !hidden;
}

bool probe__pid_namespace(char detail[PROBE_DETAIL_LEN])
{
	char name[64] = "";

	if (readlink("/proc/self/ns/pid", name, sizeof(name) - 1) < 0)
		snprintf(name, sizeof(name), "%s", strerror(errno));
	snprintf(detail, PROBE_DETAIL_LEN, "%s", name);
	return !strcmp(name, INITIAL_PID_NAMESPACE);
}
