/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of what grows. */
#ifndef MEMPROV_SERVE_ALERTS_H
#define MEMPROV_SERVE_ALERTS_H

#include "serve/reporter.h"

reporter_fn alerts__answer;

#endif
