// SPDX-License-Identifier: BSD-2-Clause
/* Says nothing: maps 4 MiB named "quiet", touches the first, waits. */
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MIB (1024 * 1024)

int main(void)
{
	char *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	madvise(p, 4 * MIB, MADV_NOHUGEPAGE);
	memset(p, 1, MIB);
	prctl(0x53564d41, 0, p, 4 * MIB, "quiet"); /* PR_SET_VMA, PR_SET_VMA_ANON_NAME */
	pause();
	return 0;
}
