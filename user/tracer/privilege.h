/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's capabilities: those that it uses, and once it runs, those that it still uses.
 * docs/privileges.md has the same table.
 */
#ifndef MEMPROV_PRIVILEGE_H
#define MEMPROV_PRIVILEGE_H

#include <stddef.h>
#include <stdint.h>

/* Which process has a capability, and when, as bits. */
enum {
	HELD_AT_START = 1,    /* until the programs are attached and the listeners are open */
	HELD_BY_DAEMON = 2,   /* as long as it runs */
	HELD_BY_LAUNCHER = 4, /* that starts the symbolizer, as long as it runs */
	HELD_BY_PAGEMAP_SERVER = 8,
};

struct privilege {
	int capability;
	const char *name; /* "CAP_BPF" */
	unsigned held;
	const char *use;     /* what it is for */
	const char *without; /* what breaks without it */
	const char *remedy;
};

extern const struct privilege privileges[];
extern const size_t privileges_len;

/* The capabilities that are held so (1 << CAP_…). */
uint64_t privilege__held(unsigned held);

/*
 * Gives up every capability that is not in the table, and sets no_new_privs: no program that is
 * started gets more by being set-user-ID. Before the first thread: each has its own. A capability
 * that was never held is no error here; 'memprov doctor' says what its lack means. 0 or -errno.
 */
int privilege__reduce(void);

/* The same, of all but what the running daemon uses. */
int privilege__settle(void);

#endif
