// SPDX-License-Identifier: BSD-2-Clause
#include "util/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/number.h"

#define MINUTE	     60
#define HOUR	     (60 * MINUTE)
#define DAY	     (24 * HOUR)
#define END_OF_TIMES 16725225600LL /* 2500-01-01; nanoseconds of it fit into 64 bits */

static const struct {
	char letter;
	uint64_t seconds;
} units[] = {{'w', 7 * DAY}, {'d', DAY}, {'h', HOUR}, {'m', MINUTE}, {'s', 1}};

int when__parse_duration(const char *text, uint64_t min, uint64_t max, uint64_t *ret_s)
{
	const char *pos = text, *end = text + strlen(text);
	uint64_t sum = 0, value;
	size_t unit = 0;
	int err;

	do {
		err = number__scan(&pos, end, 10, &value);
		if (err)
			return err;
		if (pos == end && value == 0 && !unit)
			break;
		if (pos == end && !unit)
			unit = ARRAY_SIZE(units) - 1; /* seconds */
		else if (pos == end)
			return -EINVAL;
		else
			while (unit < ARRAY_SIZE(units) && units[unit].letter != *pos)
				unit++;
		if (unit == ARRAY_SIZE(units))
			return -EINVAL;
		if (__builtin_mul_overflow(value, units[unit].seconds, &value) ||
		    __builtin_add_overflow(sum, value, &sum))
			return -ERANGE;
		pos += pos < end;
		unit++;
	} while (pos < end);
	if (sum < min || sum > max)
		return -ERANGE;
	*ret_s = sum;
	return 0;
}

/* So many digits, and the character behind them. */
static bool take(const char **pos, size_t digits, char behind, int *ret)
{
	int value = 0;

	for (size_t i = 0; i < digits; i++) {
		if (!isdigit((unsigned char)(*pos)[i]))
			return false;
		value = value * 10 + ((*pos)[i] - '0');
	}
	*pos += digits;
	*ret = value;
	if (behind && toupper((unsigned char)**pos) != behind)
		return false;
	*pos += behind != '\0';
	return true;
}

static bool take_fraction(const char **pos, uint64_t *ret_ns)
{
	uint64_t scale = NSEC_PER_SEC, ns = 0;

	*ret_ns = 0;
	if (**pos != '.')
		return true;
	++*pos;
	if (!isdigit((unsigned char)**pos))
		return false;
	for (; isdigit((unsigned char)**pos); ++*pos) {
		scale /= 10;
		ns += scale * (**pos - '0');
	}
	*ret_ns = ns;
	return true;
}

/* Seconds east of Greenwich; all of the text is used up. */
static bool take_offset(const char *pos, int *ret)
{
	int hours, minutes, sign = *pos == '-' ? -1 : 1;

	*ret = 0;
	if (toupper((unsigned char)*pos) == 'Z')
		return !pos[1];
	if (*pos != '+' && *pos != '-' && *pos != ' ')
		return false;
	pos++;
	if (!take(&pos, 2, ':', &hours) || !take(&pos, 2, '\0', &minutes) || *pos || hours > 23 ||
	    minutes > 59)
		return false;
	*ret = sign * (hours * HOUR + minutes * MINUTE);
	return true;
}

static bool is_a_day(const struct tm *tm)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = tm->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= lengths[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

static int parse_rfc3339(const char *text, uint64_t *ret_ns)
{
	const char *pos = text;
	struct tm tm = {};
	uint64_t ns;
	int offset;
	time_t at;

	if (!take(&pos, 4, '-', &tm.tm_year) || !take(&pos, 2, '-', &tm.tm_mon) ||
	    !take(&pos, 2, 'T', &tm.tm_mday) || !take(&pos, 2, ':', &tm.tm_hour) ||
	    !take(&pos, 2, ':', &tm.tm_min) || !take(&pos, 2, '\0', &tm.tm_sec) ||
	    !take_fraction(&pos, &ns) || !take_offset(pos, &offset))
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	if (!is_a_day(&tm) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	at = timegm(&tm) - offset;
	if (at < 0 || at >= END_OF_TIMES)
		return -ERANGE;
	*ret_ns = at * NSEC_PER_SEC + ns;
	return 0;
}

int when__parse_moment(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	uint64_t age;
	int err;

	if (!strcmp(text, "now")) {
		*ret_ns = now_ns;
		return 0;
	}
	if (*text != '-')
		return parse_rfc3339(text, ret_ns);
	err = when__parse_duration(text + 1, 0, now_ns / NSEC_PER_SEC, &age);
	if (!err)
		*ret_ns = now_ns - age * NSEC_PER_SEC;
	return err;
}
