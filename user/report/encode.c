// SPDX-License-Identifier: BSD-2-Clause
#include "report/encode.h"

encode_fn *encode__in(enum format format)
{
	static encode_fn *const encoders[FORMATS] = {
		[FORMAT_TEXT] = encode__text,
		[FORMAT_JSON] = encode__json,
		[FORMAT_PPROF] = encode__pprof,
		[FORMAT_FOLDED] = encode__folded,
	};

	return encoders[format];
}

struct detail encode__detail(encode_fn *encode, const struct encode_options *options)
{
	if (encode != encode__text && encode != encode__json)
		return DETAIL_NONE;
	return (struct detail){options->all ? SIZE_MAX : options->top, encode == encode__json};
}
