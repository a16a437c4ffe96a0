/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target: a forked child of ours with five threads, one of which takes each step. Between
 * steps all of them sleep. Everything it says goes through memory that both share, and its
 * children have their places there too.
 */
#ifndef MEMPROV_PROPERTY_TARGET_H
#define MEMPROV_PROPERTY_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "perform.h"

#define CHILDREN 2

struct step_log {
	uint64_t began_ns; /* CLOCK_BOOTTIME */
	uint64_t ended_ns;
	char text[4 * LOG_LEN];
};

/* A child of the target, or the target itself. */
struct member {
	uint32_t pid;  /* 0: there is none */
	uint16_t born; /* the step that forked it */
	uint32_t ready;
	uint32_t leave;
	struct shadow shadow;
};

struct shared {
	uint32_t upto;		/* the steps to be taken by now; futex */
	uint32_t done;		/* those that were; futex */
	uint32_t turn[WORKERS]; /* futexes: the step, from 1, that the worker is to take */
	uint32_t tids[WORKERS];
	struct step steps[STEPS_MAX];
	bool skip[STEPS_MAX];
	struct step_log log[STEPS_MAX];
	struct member target;
	struct member children[CHILDREN];
	struct backing backing;
	int fd; /* of this memory, for children that begin the program anew */
	char vfork_stack[16384] __attribute__((aligned(4096)));
	char late[PAGE] __attribute__((aligned(4096)));
};

/* What targets have in common: made once. NULL, with errno. */
struct shared *shared__new(void);
void shared__free(struct shared *shared);

/* Forks the target, which waits for steps. 0 or -errno. */
int target__start(struct shared *shared);

/* Lets it take the steps up to n: 0, or -ESRCH when it (or a child) has died of them. */
int target__advance(struct shared *shared, uint32_t n);

/* What a child does that has begun the program anew, by its arguments. */
_Noreturn void target__go_on(char **args);

/* Ends it and its children. */
void target__stop(struct shared *shared);

/* For the first lines of every forked process: it dies of what it does, at once, and with us. */
void child__begin(void);

/* Futexes between processes; -ETIMEDOUT after ms. */
int futex__wait(uint32_t *word, uint32_t value, unsigned ms);
void futex__wake(uint32_t *word);

#endif
