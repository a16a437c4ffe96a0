/* SPDX-License-Identifier: BSD-2-Clause */
/* What is to be told outside: it began, and perhaps it has ended. */
#ifndef MEMPROV_NOTICE_H
#define MEMPROV_NOTICE_H

#include <stddef.h>
#include <stdint.h>

struct notice_text {
	const char *name; /* [a-zA-Z_][a-zA-Z0-9_]* */
	const char *value;
};

struct notice {
	/* The labels say which one it is: the same labels, the same notice. */
	const struct notice_text *labels;
	size_t n_labels;
	const struct notice_text *annotations;
	size_t n_annotations;
	int64_t starts_at; /* wall clock, ns */
	int64_t ends_at;   /* 0: it goes on */
};

#endif
