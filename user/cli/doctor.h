/* SPDX-License-Identifier: BSD-2-Clause */
/* `memprov doctor`: what this kernel and these privileges allow. */
#ifndef MEMPROV_DOCTOR_H
#define MEMPROV_DOCTOR_H

struct options;

/* EXIT_DONE when tracing can run, EXIT_UNSUPPORTED when only smaps reports can. */
int doctor__run(const struct options *options);

#endif
