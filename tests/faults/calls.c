// SPDX-License-Identifier: BSD-2-Clause
/* The calls that may fail: plan.h. */
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "plan.h"

static struct fault_plan none;
struct fault_plan *fault_plan = &none;

#ifdef FAULTS_PRELOADED
#define OURS(name) name
#define REAL(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&name) real;                                                     \
                                                                                                   \
		real = real ?: (__typeof__(&name))dlsym(RTLD_NEXT, #name);                         \
		real;                                                                              \
	})
#else
#define OURS(name) __wrap_##name
#define REAL(name) __real_##name
#endif

/* --- does it fail? -----------------------------------------------------------------------------
 */

/* The file that the call is about: by its path, or by its descriptor, or neither. */
static bool is_about(int fd, const char *path)
{
	char link[64], target[512];
	ssize_t n;

	if (!fault_plan->file[0])
		return true;
	if (path)
		return strstr(path, fault_plan->file);
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strstr(target, fault_plan->file);
}

/* 0, or what it fails with. errno stays as it is. */
static int fails(const char *call, int fd, const char *path)
{
	int before = errno, err = 0;
	uint32_t seen;

	if (fault_plan->call[0] && !fault_plan->held && !strcmp(call, fault_plan->call) &&
	    (!fault_plan->only_pid || fault_plan->only_pid == (uint32_t)syscall(SYS_getpid)) &&
	    is_about(fd, path)) {
		seen = __atomic_add_fetch(&fault_plan->seen, 1, __ATOMIC_SEQ_CST);
		if (seen == fault_plan->nth || (seen > fault_plan->nth && fault_plan->for_ever))
			err = fault_plan->err;
	}
	if (err)
		__atomic_add_fetch(&fault_plan->failed, 1, __ATOMIC_SEQ_CST);
	errno = before;
	return err;
}

static size_t half(size_t n)
{
	return n > 1 ? n / 2 : n;
}

/* --- calls with a descriptor and a length ------------------------------------------------------
 */

#define SIZED(ret, name, fd, path, len, params, args)                                              \
	ret OURS(name) params;                                                                     \
	REAL_OF(ret, name, params)                                                                 \
	ret OURS(name) params                                                                      \
	{                                                                                          \
		int err = fails(#name, fd, path);                                                  \
                                                                                                   \
		if (err == FAULT_SHORT) {                                                          \
			len = half(len);                                                           \
		} else if (err) {                                                                  \
			errno = err;                                                               \
			return (ret)-1;                                                            \
		}                                                                                  \
		return REAL(name) args;                                                            \
	}

#define PLAIN(ret, name, failure, fd, path, params, args)                                          \
	ret OURS(name) params;                                                                     \
	REAL_OF(ret, name, params)                                                                 \
	ret OURS(name) params                                                                      \
	{                                                                                          \
		int err = fails(#name, fd, path);                                                  \
                                                                                                   \
		if (err) {                                                                         \
			errno = err > 0 ? err : EIO;                                               \
			return failure;                                                            \
		}                                                                                  \
		return REAL(name) args;                                                            \
	}

#ifdef FAULTS_PRELOADED
#define REAL_OF(ret, name, params)
#else
#define REAL_OF(ret, name, params) ret __real_##name params;
#endif

SIZED(ssize_t, read, fd, NULL, n, (int fd, void *to, size_t n), (fd, to, n))
SIZED(ssize_t, pread, fd, NULL, n, (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
SIZED(ssize_t, write, fd, NULL, n, (int fd, const void *from, size_t n), (fd, from, n))
SIZED(ssize_t, recv, fd, NULL, n, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
SIZED(ssize_t, send, fd, NULL, n, (int fd, const void *from, size_t n, int flags),
      (fd, from, n, flags))
PLAIN(ssize_t, recvmsg, -1, fd, NULL, (int fd, struct msghdr *message, int flags),
      (fd, message, flags))
PLAIN(ssize_t, sendmsg, -1, fd, NULL, (int fd, const struct msghdr *message, int flags),
      (fd, message, flags))
PLAIN(ssize_t, readlink, -1, -1, path, (const char *path, char *to, size_t n), (path, to, n))
PLAIN(ssize_t, readlinkat, -1, -1, path, (int fd, const char *path, char *to, size_t n),
      (fd, path, to, n))
PLAIN(int, fstat, -1, fd, NULL, (int fd, struct stat *st), (fd, st))
PLAIN(int, stat, -1, -1, path, (const char *path, struct stat *st), (path, st))
PLAIN(int, poll, -1, -1, NULL, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
PLAIN(int, epoll_wait, -1, -1, NULL, (int fd, struct epoll_event *events, int n, int ms),
      (fd, events, n, ms))
PLAIN(int, epoll_create1, -1, -1, NULL, (int flags), (flags))
PLAIN(int, eventfd, -1, -1, NULL, (unsigned n, int flags), (n, flags))
PLAIN(int, pipe2, -1, -1, NULL, (int fds[2], int flags), (fds, flags))
PLAIN(int, inotify_init1, -1, -1, NULL, (int flags), (flags))
PLAIN(int, inotify_add_watch, -1, -1, path, (int fd, const char *path, uint32_t mask),
      (fd, path, mask))
PLAIN(int, socket, -1, -1, NULL, (int domain, int type, int protocol), (domain, type, protocol))
PLAIN(int, socketpair, -1, -1, NULL, (int domain, int type, int protocol, int fds[2]),
      (domain, type, protocol, fds))
PLAIN(int, memfd_create, -1, -1, name, (const char *name, unsigned flags), (name, flags))
PLAIN(pid_t, fork, -1, -1, NULL, (void), ())
PLAIN(void *, mmap, MAP_FAILED, fd, NULL,
      (void *at, size_t n, int prot, int flags, int fd, off_t from), (at, n, prot, flags, fd, from))
PLAIN(ssize_t, process_vm_readv, -1, -1, NULL,
      (pid_t pid, const struct iovec *local, unsigned long n_local, const struct iovec *remote,
       unsigned long n_remote, unsigned long flags),
      (pid, local, n_local, remote, n_remote, flags))
/* The error is the result. */
PLAIN(int, pthread_create, err, -1, NULL,
      (pthread_t * thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg),
      (thread, attributes, main, arg))

/* --- calls with any number of arguments --------------------------------------------------------
 */

#define VARIADIC(ret, name, fd, path, params, last, rest)                                          \
	ret OURS(name) params;                                                                     \
	REAL_OF(ret, name, params)                                                                 \
	ret OURS(name) params                                                                      \
	{                                                                                          \
		int err = fails(#name, fd, path);                                                  \
		unsigned long more;                                                                \
		va_list list;                                                                      \
                                                                                                   \
		va_start(list, last);                                                              \
		more = va_arg(list, unsigned long);                                                \
		va_end(list);                                                                      \
		if (err) {                                                                         \
			errno = err > 0 ? err : EIO;                                               \
			return -1;                                                                 \
		}                                                                                  \
		return REAL(name) rest;                                                            \
	}

VARIADIC(int, open, -1, path, (const char *path, int flags, ...), flags,
	 (path, flags, (mode_t)more))
VARIADIC(int, openat, -1, path, (int fd, const char *path, int flags, ...), flags,
	 (fd, path, flags, (mode_t)more))
VARIADIC(int, ioctl, fd, NULL, (int fd, unsigned long request, ...), request, (fd, request, more))

static const char *name_of(long number)
{
	switch (number) {
	case SYS_bpf:
		return "bpf";
	case SYS_perf_event_open:
		return "perf_event_open";
	case SYS_openat2:
		return "openat2";
	case SYS_pidfd_open:
		return "pidfd_open";
	}
	return "syscall";
}

long OURS(syscall)(long number, ...);
REAL_OF(long, syscall, (long number, ...))
long OURS(syscall)(long number, ...)
{
	const char *path = NULL;
	long args[6];
	va_list list;
	int err;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_openat2)
		path = (const char *)args[1];
	err = fault_plan->call[0] && number != SYS_readlinkat && number != SYS_getpid
		      ? fails(name_of(number), -1, path)
		      : 0;
	if (err) {
		errno = err > 0 ? err : EIO;
		return -1;
	}
	return REAL(syscall)(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

#ifdef FAULTS_PRELOADED

/* Names that libraries built for large files have for the same. */
SIZED(ssize_t, pread64, fd, NULL, n, (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
SIZED(ssize_t, pwrite64, fd, NULL, n, (int fd, const void *from, size_t n, off64_t at),
      (fd, from, n, at))
PLAIN(int, fsync, -1, fd, NULL, (int fd), (fd))
PLAIN(int, fdatasync, -1, fd, NULL, (int fd), (fd))
PLAIN(int, ftruncate64, -1, fd, NULL, (int fd, off64_t n), (fd, n))
PLAIN(int, accept4, -1, -1, NULL, (int fd, struct sockaddr *at, socklen_t *n, int flags),
      (fd, at, n, flags))
PLAIN(int, bind, -1, -1, NULL, (int fd, const struct sockaddr *at, socklen_t n), (fd, at, n))
PLAIN(int, listen, -1, -1, NULL, (int fd, int n), (fd, n))
VARIADIC(int, open64, -1, path, (const char *path, int flags, ...), flags,
	 (path, flags, (mode_t)more))

/* The plan's file. Without one, nothing fails. */
static void __attribute__((constructor)) map_plan(void)
{
	const char *path = getenv("MEMPROV_FAULT_PLAN");
	int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED
			  : REAL(mmap)(NULL, sizeof(*fault_plan), PROT_READ | PROT_WRITE,
				       MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (at != MAP_FAILED)
		fault_plan = at;
}

#else

/* --- memory ------------------------------------------------------------------------------------
 */

bool faults__refuse_memory(void)
{
	return fails(FAULT_MEMORY, -1, NULL);
}

#define ALLOCATES(ret, name, params, args)                                                         \
	ret OURS(name) params;                                                                     \
	REAL_OF(ret, name, params)                                                                 \
	ret OURS(name) params                                                                      \
	{                                                                                          \
		if (fails(FAULT_MEMORY, -1, NULL)) {                                               \
			errno = ENOMEM;                                                            \
			return NULL;                                                               \
		}                                                                                  \
		return REAL(name) args;                                                            \
	}

ALLOCATES(void *, malloc, (size_t n), (n))
ALLOCATES(void *, calloc, (size_t n, size_t size), (n, size))
ALLOCATES(void *, realloc, (void *before, size_t n), (before, n))
ALLOCATES(void *, reallocarray, (void *before, size_t n, size_t size), (before, n, size))
ALLOCATES(char *, strdup, (const char *text), (text))
ALLOCATES(char *, realpath, (const char *path, char *to), (path, to))
ALLOCATES(FILE *, fopen, (const char *path, const char *mode), (path, mode))
ALLOCATES(DIR *, opendir, (const char *path), (path))
ALLOCATES(DIR *, fdopendir, (int fd), (fd))

int OURS(asprintf)(char **ret, const char *format, ...);
int OURS(__asprintf_chk)(char **ret, int flag, const char *format, ...);

int OURS(asprintf)(char **ret, const char *format, ...)
{
	va_list list;
	int n = -1;

	va_start(list, format);
	if (!fails(FAULT_MEMORY, -1, NULL))
		n = vasprintf(ret, format, list);
	va_end(list);
	return n;
}

int OURS(__asprintf_chk)(char **ret, int flag, const char *format, ...)
{
	va_list list;
	int n = -1;

	va_start(list, format);
	if (!fails(FAULT_MEMORY, -1, NULL))
		n = vasprintf(ret, format, list);
	va_end(list);
	return n;
}

int OURS(__openat_2)(int fd, const char *path, int flags);
ssize_t OURS(__pread_chk)(int fd, void *to, size_t n, off_t at, size_t room);

int OURS(__openat_2)(int fd, const char *path, int flags)
{
	return OURS(openat)(fd, path, flags);
}

ssize_t OURS(__pread_chk)(int fd, void *to, size_t n, off_t at, size_t room)
{
	return OURS(pread)(fd, to, n < room ? n : room, at);
}

#endif
