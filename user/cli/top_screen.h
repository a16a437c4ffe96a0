/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal of `top`: draws its state, and reads its keys. There is one. */
#ifndef MEMPROV_TOP_SCREEN_H
#define MEMPROV_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/top_state.h"

struct screen_texts {
	const char *summary; /* the first line, with the node's trend behind it */
	const char *message; /* the second: what went wrong; "" */
};

/* Takes standard input and output: 0, or -ENOTTY when the terminal (TERM) is not known. */
int screen__open(void);

/* Puts the terminal back as it was. Fine when it is not open. */
void screen__close(void);

/* Puts the terminal back as it was until screen__draw, before the program is stopped. */
void screen__leave(void);

/* Follows the terminal's size. */
void screen__resize(void);

/* How many lines there are for rows of the state. */
size_t screen__height(const struct top_state *state);

void screen__draw(const struct top_state *state, const struct screen_texts *texts);

/* A key that was typed; false when there is none. */
bool screen__key(unsigned *ret);

#endif
