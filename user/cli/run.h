/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov run -- CMD`: one program, traced from its first instruction. */
#ifndef MEMPROV_RUN_H
#define MEMPROV_RUN_H

struct options;

/* The exit code. When CMD was killed by a signal, the same one is raised here, so that whoever
 * waits for memprov sees what they would have seen of CMD. */
int run__run(const struct options *options);

#endif
