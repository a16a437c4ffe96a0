/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov serve`: the parts of the daemon, started in order, stopped in the reverse one. */
#ifndef MEMPROV_DAEMON_H
#define MEMPROV_DAEMON_H

struct options;

/* Returns the exit code. SIGINT and SIGTERM end it. */
int daemon__run(const struct options *options);

#endif
