/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether this build has AddressSanitizer: it reserves terabytes, tells what it finds on stderr,
 * and looks for leaks with system calls of its own. */
#ifndef MEMPROV_SANITIZED_H
#define MEMPROV_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
