// SPDX-License-Identifier: BSD-2-Clause
/*
 * made_code: makes code at run time, as a JIT compiler does, here the copy of a function that needs
 * nothing around it. Prints "START END" of it; then, for each line on stdin, has it map 1 MiB, and
 * prints where.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CODE_SIZE 4096
#define COPIED	  256 /* more than the function has */
#define SIZE	  (1 << 20)

typedef void *map_fn(void *, size_t, int, int, int, off_t);

/* It calls what it is given, so it runs wherever it lies. Its frame pointer leads further out. */
__attribute__((noinline, optimize("no-omit-frame-pointer"))) static void *through(map_fn *map)
{
	void *at = map(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	__asm__ volatile("" ::: "memory"); /* the call is not the last thing */
	return at;
}

int main(void)
{
	void *(*made)(map_fn *);
	char *code =
		mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		return 1;
	memcpy(code, (const void *)through, COPIED);
	__builtin___clear_cache(code, code + COPIED);
	if (mprotect(code, CODE_SIZE, PROT_READ | PROT_EXEC))
		return 1;
	memcpy(&made, &code, sizeof(made));
	printf("%p %p\n", (void *)code, (void *)(code + CODE_SIZE));
	fflush(stdout);
	while (getchar() == '\n') {
		printf("%p\n", made(mmap));
		fflush(stdout);
	}
	return 0;
}
