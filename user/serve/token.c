// SPDX-License-Identifier: BSD-2-Clause
#include "serve/token.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "util/cleanup.h"

#define SCHEME "Bearer "

/* Two changes within the clock's grain have one time: a file that changed just now is read again.
 */
#define SETTLED_S 2

struct token {
	const char *path;
	pthread_mutex_t lock; /* of all below */
	struct stat stat;     /* of the file that was read */
	bool settled;
	size_t len; /* 0: there is none now */
	char text[TOKEN_MAX];
};

int token__check_text(const char *text, size_t len)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (len && text[len - 1] == '\r')
		len--;
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return -EILSEQ;
	}
	return len < TOKEN_MIN || len > TOKEN_MAX ? -EMSGSIZE : (int)len;
}

bool token__equal(const char *token, size_t len, const char *given, size_t given_len)
{
	unsigned char differs = len != given_len || !len;

	/* As long as what was given, which its sender knows anyway. */
	for (size_t i = 0; i < given_len; i++)
		differs |= token[len ? i % len : 0] ^ given[i];
	/* Not to be optimised into leaving early. */
	__asm__ volatile("" : "+r"(differs));
	return !differs;
}

static int token__read(struct token *token)
{
	_cleanup_close_ int fd = open(token->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[TOKEN_MAX + 3];
	struct stat st;
	ssize_t n;
	int len;

	token->len = 0;
	token->settled = false;
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	len = token__check_text(text, n);
	explicit_bzero(token->text, sizeof(token->text));
	if (len > 0)
		memcpy(token->text, text, len);
	explicit_bzero(text, sizeof(text));
	token->stat = st;
	token->settled = time(NULL) - st.st_ctim.tv_sec >= SETTLED_S;
	if (len < 0)
		return len;
	token->len = len;
	return 0;
}

int token__open(const char *path, struct token **ret)
{
	struct token *token = calloc(1, sizeof(*token));
	int err;

	if (!token)
		return -ENOMEM;
	token->path = path;
	pthread_mutex_init(&token->lock, NULL);
	err = token__read(token);
	if (err)
		token__free(token);
	else
		*ret = token;
	return err;
}

void token__free(struct token *token)
{
	if (!token)
		return;
	explicit_bzero(token->text, sizeof(token->text));
	pthread_mutex_destroy(&token->lock);
	free(token);
}

static void refresh(struct token *token)
{
	const struct stat *old = &token->stat;
	struct stat st;

	if (!stat(token->path, &st) && token->settled && st.st_dev == old->st_dev &&
	    st.st_ino == old->st_ino && st.st_size == old->st_size &&
	    !memcmp(&st.st_ctim, &old->st_ctim, sizeof(st.st_ctim)))
		return;
	token__read(token);
}

bool token__accepts(struct token *token, const char *authorization)
{
	bool good;

	if (strncasecmp(authorization, SCHEME, strlen(SCHEME)))
		return false;
	authorization += strlen(SCHEME);
	pthread_mutex_lock(&token->lock);
	refresh(token);
	good = token__equal(token->text, token->len, authorization, strlen(authorization));
	pthread_mutex_unlock(&token->lock);
	return good;
}
