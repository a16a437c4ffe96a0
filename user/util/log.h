/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on stderr: "memprov: LEVEL: message" for warnings and news, "memprov: message" for the
 * one line that says why a command failed. Only main, collect, serve and cli may log.
 */
#ifndef MEMPROV_LOG_H
#define MEMPROV_LOG_H

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
