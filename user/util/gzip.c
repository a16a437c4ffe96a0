// SPDX-License-Identifier: BSD-2-Clause
#include "util/gzip.h"

#include <limits.h>
#include <zlib.h>

#define LEVEL	    Z_BEST_SPEED /* as the profiles of Go have it */
#define GZIP_FORMAT 16		 /* added to the window's bits */
#define MEMORY	    8		 /* zlib's default */

/* zlib counts in unsigned int. */
static size_t piece(size_t left)
{
	return left < UINT_MAX ? left : UINT_MAX;
}

static int deflate_all(z_stream *stream, const unsigned char *bytes, size_t len, struct buf *ret)
{
	int state = Z_OK;

	while (state == Z_OK) {
		if (buf__reserve(ret, len / 4 + 1024))
			return Z_MEM_ERROR;
		stream->next_in = (unsigned char *)bytes;
		stream->avail_in = piece(len);
		stream->next_out = (unsigned char *)ret->data + ret->len;
		stream->avail_out = piece(ret->cap - ret->len - 1);
		state = deflate(stream, len > UINT_MAX ? Z_NO_FLUSH : Z_FINISH);
		len -= stream->next_in - bytes;
		bytes = stream->next_in;
		ret->len = (char *)stream->next_out - ret->data;
	}
	return state;
}

void gzip__add(const void *bytes, size_t len, struct buf *ret)
{
	z_stream stream = {};

	if (deflateInit2(&stream, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP_FORMAT, MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		ret->failed = true;
		return;
	}
	if (deflate_all(&stream, bytes, len, ret) != Z_STREAM_END)
		ret->failed = true;
	deflateEnd(&stream);
	if (ret->data)
		ret->data[ret->len] = '\0';
}
