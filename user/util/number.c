// SPDX-License-Identifier: BSD-2-Clause
#include "util/number.h"

#include <errno.h>
#include <string.h>

/* 16 for what is none. Without branches, since nothing can guess the next digit. */
static unsigned digit_value(char c)
{
	unsigned digit = (unsigned)c - '0', letter = ((unsigned)c | 0x20) - 'a';

	return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
}

int number__scan(const char **pos, const char *end, int base, uint64_t *ret)
{
	const char *p = *pos;
	uint64_t value = 0;
	unsigned digit;

	for (; p < end && (digit = digit_value(*p)) < (unsigned)base; p++) {
		/* Bases go up to 16: what is less can take one more digit. */
		if (value < UINT64_MAX / 16)
			value = value * base + digit;
		else if (__builtin_mul_overflow(value, base, &value) ||
			 __builtin_add_overflow(value, digit, &value))
			return -ERANGE;
	}
	if (p == *pos)
		return -EINVAL;
	*pos = p;
	*ret = value;
	return 0;
}

static int parse(const char *text, uint64_t min, uint64_t max, int suffixes, uint64_t *ret)
{
	const char *pos = text, *end = text + strlen(text);
	uint64_t value, unit = 1;
	int err;

	err = number__scan(&pos, end, 10, &value);
	if (err)
		return err;
	if (suffixes && pos + 1 == end) {
		switch (*pos++) {
		case 'k':
		case 'K':
			unit = 1ULL << 10;
			break;
		case 'm':
		case 'M':
			unit = 1ULL << 20;
			break;
		case 'g':
		case 'G':
			unit = 1ULL << 30;
			break;
		default:
			return -EINVAL;
		}
	}
	if (pos != end)
		return -EINVAL;
	if (__builtin_mul_overflow(value, unit, &value) || value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int number__parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	return parse(text, min, max, 0, ret);
}

int number__parse_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	return parse(text, min, max, 1, ret);
}
