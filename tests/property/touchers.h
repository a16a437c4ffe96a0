/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions by which targets touch pages, to be told apart by where they fault. Addresses are
 * compared within their page: a program that was begun anew has them in another place.
 */
#ifndef MEMPROV_PROPERTY_TOUCHERS_H
#define MEMPROV_PROPERTY_TOUCHERS_H

#include <stdint.h>

#define TOUCHERS       5
#define TOUCHERS_WRITE 4 /* of these; the last one reads */
#define TOUCHER_READS  4

void toucher__touch(unsigned who, uint64_t addr);

/* -1: none of them. */
int toucher__at(uint64_t pc);

#endif
