/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMPROV_FRAMES_H
#define MEMPROV_FRAMES_H

#include "model/frame.h"

int frames__owner(const struct frame *frames, size_t n);

#endif
