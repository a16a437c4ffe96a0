/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The symbolizer's child: what the program is when its first argument is WIRE_CHILD. It begins
 * anew from the executable file, so that it inherits no memory, no locks and no secrets.
 */
#ifndef MEMPROV_CHILD_H
#define MEMPROV_CHILD_H

#include <stdbool.h>

/* Whether these are the arguments of a child; then main() should return child__main(). */
bool child__is_meant(int argc, char **argv);
int child__main(int argc, char **argv);

#endif
