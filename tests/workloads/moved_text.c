// SPDX-License-Identifier: BSD-2-Clause
/*
 * moved_text HOW [LIBRARY]: a program that replaces its text, or that of a library, by anonymous
 * memory of the same content, as node does to have it in huge pages. HOW begins with a (mapped over
 * it, then filled), m (a filled copy is moved over it by mremap) or n (it is not); o puts other
 * code over a function of its own, which maps. f after it: a forked child goes on. Then it maps 32
 * MiB by serve_requests() > grow_cache(), or by library_grow() of the library, and prints the
 * number of the process and where.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE (32 << 20)
#define PAGE 4096UL

static inline __attribute__((always_inline)) long call5(long number, long a, long b, long c, long d,
							long e)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#else
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
			 x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e,
			 x5 __asm__("x5") = 0;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#endif
}

/* In pages of its own, which stay; calls nothing. */
__attribute__((section(".stay"), noinline, aligned(4096))) static int
move_text(volatile char *from, long n, volatile char *copy, int how)
{
	long at = (long)from;

	for (long i = 0; i < n; i++)
		copy[i] = from[i];
	if (how == 'm') {
		call5(SYS_mprotect, (long)copy, n, PROT_READ | PROT_EXEC, 0, 0);
		return call5(SYS_mremap, (long)copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at;
	}
	if (call5(SYS_mmap, at, n, PROT_READ | PROT_WRITE | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1) != at)
		return 1;
	for (long i = 0; i < n; i++)
		from[i] = copy[i];
	return call5(SYS_mprotect, at, n, PROT_READ | PROT_EXEC, 0, 0) != 0;
}

/* Never called: other code comes here. */
__attribute__((section(".stay"), noinline, aligned(4096), used)) static int decoy(volatile int *p)
{
	for (int i = 0; i < 1000; i++)
		p[i % 7] += i * p[i % 5];
	return p[0];
}

__attribute__((section(".stay"), aligned(4096), used)) static int after_decoy(void)
{
	return 1;
}

typedef void *map_fn(void *, size_t, int, int, int, off_t);

/* It runs wherever it lies. */
__attribute__((noinline, optimize("no-omit-frame-pointer"))) static char *through(map_fn *map)
{
	char *at = map(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	__asm__ volatile("" ::: "memory");
	return at;
}

static char *map_by_other_code(void)
{
	char *place = (char *)(((long)decoy + PAGE - 1) & -PAGE);
	char *(*made)(map_fn *);

	if (mmap(place, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != place)
		exit(1);
	place += 16; /* decoy has something else there */
	memcpy(place, (const void *)through, 128);
	__builtin___clear_cache(place, place + 128);
	memcpy(&made, &place, sizeof(made));
	return made(mmap);
}

__attribute__((noinline)) static char *grow_cache(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, n);
	return p;
}

__attribute__((noinline)) static char *serve_requests(void)
{
	char *p = grow_cache(SIZE);

	__asm__ volatile("" ::: "memory");
	return p;
}

/* The executable mapping of the file that this is an address of. */
static void find_text(unsigned long address, unsigned long *ret_start, unsigned long *ret_end)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], perms[8];

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", ret_start, ret_end, perms) == 3 &&
		    *ret_start <= address && address < *ret_end)
			break;
	}
	fclose(maps);
}

int main(int argc, char **argv)
{
	void *library = argc > 2 ? dlopen(argv[2], RTLD_NOW) : NULL;
	char *(*grow)(unsigned long) = NULL;
	unsigned long start, end;
	char how = argc > 1 ? argv[1][0] : 'n', *copy, *at;

	if (library) {
		void *symbol = dlsym(library, "library_grow");

		memcpy(&grow, &symbol, sizeof(grow));
		find_text((unsigned long)symbol, &start, &end);
	} else {
		find_text((unsigned long)main, &start, &end);
		if ((unsigned long)move_text > (unsigned long)main)
			end = (unsigned long)move_text & -PAGE;
		else
			start = ((unsigned long)after_decoy & -PAGE) + PAGE;
	}
	copy = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((how == 'a' || how == 'm') && move_text((char *)start, end - start, copy, how))
		return 1;
	if (argc > 1 && argv[1][1] == 'f' && fork()) {
		pause();
		return 0;
	}
	if (how == 'o')
		at = map_by_other_code();
	else
		at = grow ? grow(SIZE) : serve_requests();
	printf("%d %p\n", getpid(), (void *)at);
	fflush(stdout);
	pause();
	return 0;
}
