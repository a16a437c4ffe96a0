// SPDX-License-Identifier: BSD-2-Clause
#include "proc/mountinfo.h"

#include <errno.h>
#include <string.h>

#include "util/number.h"

/* The next word of the line; empty at its end. */
static struct mount_text next_word(const char **pos, const char *end)
{
	struct mount_text word = {.data = *pos};

	while (*pos < end && **pos != ' ')
		++*pos;
	word.len = *pos - word.data;
	if (*pos < end)
		++*pos;
	return word;
}

static int scan_device(struct mount_text word, struct mount *mount)
{
	const char *pos = word.data, *end = pos + word.len;
	uint64_t major, minor;

	if (number__scan(&pos, end, 10, &major) || pos == end || *pos++ != ':' ||
	    number__scan(&pos, end, 10, &minor) || pos != end || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return -EBADMSG;
	mount->major = major;
	mount->minor = minor;
	return 0;
}

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/sda rw": tags before "-" may be none. */
int mountinfo__next(const char **pos, const char *end, struct mount *ret)
{
	struct mount mount = {};
	struct mount_text word;
	const char *line = *pos, *eol;
	int err;

	if (line == end)
		return 0;
	eol = memchr(line, '\n', end - line);
	if (!eol)
		return -EBADMSG;
	if (number__scan(&line, eol, 10, &mount.id) || line == eol || *line++ != ' ')
		return -EBADMSG;
	next_word(&line, eol);
	err = scan_device(next_word(&line, eol), &mount);
	if (err)
		return err;
	mount.root = next_word(&line, eol);
	mount.point = next_word(&line, eol);
	do {
		word = next_word(&line, eol);
		if (!word.len)
			return -EBADMSG;
	} while (!mount_text__is(word, "-"));
	mount.type = next_word(&line, eol);
	next_word(&line, eol);
	mount.options = next_word(&line, eol);
	*pos = eol + 1;
	*ret = mount;
	return 1;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

int mount_text__decode(struct mount_text text, char *ret, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *s = text.data + i;
		char c = *s;

		if (c == '\\') {
			if (text.len - i < 4 || s[1] > '3' || !is_octal(s[1]) || !is_octal(s[2]) ||
			    !is_octal(s[3]))
				return -EBADMSG;
			c = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			i += 3;
		}
		if (!c)
			return -EBADMSG;
		if (n + 1 >= len)
			return -ENAMETOOLONG;
		ret[n++] = c;
	}
	if (!len)
		return -ENAMETOOLONG;
	ret[n] = '\0';
	return 0;
}

bool mount_text__is(struct mount_text text, const char *what)
{
	return text.len == strlen(what) && !memcmp(text.data, what, text.len);
}

bool mount_text__has(struct mount_text text, const char *option)
{
	const char *end = text.data + text.len;

	while (text.data < end) {
		const char *comma = memchr(text.data, ',', end - text.data);

		text.len = (comma ? comma : end) - text.data;
		if (mount_text__is(text, option))
			return true;
		text.data += text.len + 1;
	}
	return false;
}
