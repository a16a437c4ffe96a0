/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The symbolizer's child: what the program is when its first argument is CHILD_ARGUMENT. It begins
 * anew from the executable file, so that it inherits no memory, no locks and no secrets.
 */
#ifndef MEMPROV_CHILD_H
#define MEMPROV_CHILD_H

#include <stdbool.h>

#define CHILD_ARGUMENT "__symbolize"

/* The descriptor that it begins with, of packets: wire.h. */
#define CHILD_SOCKET 3

/* Whether these are the arguments of a child; then main() should return child__main(). */
bool child__is_meant(int argc, char **argv);
int child__main(int argc, char **argv);

#endif
