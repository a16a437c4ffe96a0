/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers from history: what was, and what grew between two moments. */
#ifndef MEMPROV_PAST_H
#define MEMPROV_PAST_H

#include "serve/reporter.h"

reporter_fn past__answer;

#endif
