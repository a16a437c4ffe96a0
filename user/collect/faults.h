/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults, from a software event of perf on each CPU that a BPF program is attached to
 * (bpf/touch.bpf.h). A CPU that comes online later has none.
 *
 * While a CPU has few faults, the program sees each: 24 faults of 2 MiB are 48 MiB, and of one in
 * 13 there would be two samples. While it has many it sees one in 13, since most are passed over
 * anyway and each costs 0.1 us. 13 is a prime, so that what repeats itself every few faults is not
 * met in the same place each time. The kernel's own way (attr.freq) reacts within some twenty
 * samples, but only while there are faults: after a storm it stays where that left it, and its
 * weights lag behind.
 */
#ifndef MEMPROV_FAULTS_H
#define MEMPROV_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_map;
struct bpf_program;
struct faults;

/* An event on each CPU, none of them running. 0, or -errno and why as text. */
int faults__open(char *why, size_t why_len, struct faults **ret);
void faults__close(struct faults *faults); /* accepts NULL */

/* Attaches the program, which is loaded, and begins. cpus: the map of struct mp_touch_cpu. 0 or
 * -errno. */
int faults__attach(struct faults *faults, const struct bpf_program *program,
		   const struct bpf_map *cpus);

/* Sets the periods by what has come meanwhile. To be called now and then: cheap. */
void faults__pace(struct faults *faults);

/* No CPU has many faults, as far as the last look could tell. */
bool faults__is_calm(const struct faults *faults);

/* How many faults the program has passed over to keep its rate. */
uint64_t faults__thinned(const struct faults *faults);

#endif
