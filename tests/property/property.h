/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests of this program that have files of their own; all need root. */
#ifndef MEMPROV_PROPERTY_H
#define MEMPROV_PROPERTY_H

/* race.c: a target of eight threads that map and unmap while it is read a hundred times. */
void test_racing(void **state);

/* wakeup.c: bursts after a rest. */
void test_the_reader_is_woken(void **state);

/* storm.c: a thousand forks and execs a second. */
void test_fork_exec_storm(void **state);

#endif
