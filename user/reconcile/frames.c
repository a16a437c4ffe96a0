// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/frames.h"

#include <string.h>

#include "reconcile/frames_python.h"
#include "util/cleanup.h"

struct span {
	const char *text;
	size_t len;
};

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* '*' in the pattern stands for any text. */
static bool matches(const char *pattern, struct span name)
{
	const char *at = name.text, *end = at + name.len, *star = NULL, *resume = NULL;

	while (at < end) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = at;
		} else if (*pattern && *pattern == *at) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star;
			at = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static struct span module_name(const char *path)
{
	static const char deleted[] = " (deleted)";
	struct span name = {"", 0};
	const char *slash;

	if (!path)
		return name;
	slash = strrchr(path, '/');
	name.text = slash ? slash + 1 : path;
	name.len = strlen(name.text);
	if (name.len >= strlen(deleted) && !strcmp(name.text + name.len - strlen(deleted), deleted))
		name.len -= strlen(deleted);
	return name;
}

/* Of a function of a language its file. */
static struct span place_of(const struct frame *frame)
{
	const char *file = frame->file ?: "";

	return frame->language ? (struct span){file, strlen(file)} : module_name(frame->module);
}

/* What a compiler appends to the name of a part or a copy of a function. */
static bool is_suffix(const char *s)
{
	static const char *const suffixes[] = {".constprop.", ".isra.",	    ".part.",
					       ".cold",	      ".lto_priv.", ".llvm."};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (starts_with(s, suffixes[i]))
			return true;
	return false;
}

/*
 * The name itself: "std::vector<int>::push_back" of "void std::vector<int>::push_back<int>(int)",
 * "__mmap64" of "__GI___mmap64", "new_heap" of "new_heap.constprop.0". Go's "main.(*T).Grow" stays.
 */
static struct span function_name(const char *text)
{
	static const char anonymous[] = "(anonymous namespace)", internal[] = "__GI_";
	struct span name = {text, 0};
	const char *at;
	int depth = 0;

	if (starts_with(text, internal))
		name.text += strlen(internal);
	for (at = name.text; *at; at++) {
		if (starts_with(at, anonymous))
			at += strlen(anonymous);
		if (*at == '<')
			depth++;
		else if (*at == '>' && depth)
			depth--;
		if (depth)
			continue;
		/* A type came before the name. "operator new" is a name. */
		if (*at == ' ' && !(at - text >= 8 && starts_with(at - 8, "operator")))
			name.text = at + 1;
		if (!*at || (*at == '(' && at > name.text && at[-1] != '.') || is_suffix(at))
			break;
	}
	name.len = at - name.text;
	return name;
}

/* The row that says what a frame is; NULL: none. */
static const struct frame_row *row_of(const struct frame *frame)
{
	static const struct frame_row interpreted = {.kind = FRAME_RUNTIME};
	struct span module = place_of(frame), function = {"", 0};
	const struct frame_row *row = frames_languages[frame->language];

	/* Its module is the interpreter, and its name may be anything. */
	if (frame->language == FRAME_OF_PYTHON)
		return &interpreted;
	if (frame->function)
		function = frame->language ? (struct span){frame->function, strlen(frame->function)}
					   : function_name(frame->function);
	for (; row && (row->function || row->module); row++) {
		if (row->function && (!frame->function || !matches(row->function, function)))
			continue;
		if (!row->module || matches(row->module, module))
			return row;
	}
	return NULL;
}

static bool fits(const char *pattern, const char *text, size_t len)
{
	return matches(pattern, (struct span){text, len});
}

static bool may_own(const struct frame *frame, const struct frame_row *row)
{
	if (frame->language == FRAME_OF_PYTHON)
		return python_part__of(frame, fits) != PYTHON_RUNTIME;
	/* Code that a runtime made, perhaps, and of which there is no map. */
	if (!frame->module && !frame->function)
		return false;
	return !row || row->kind == FRAME_OTHER;
}

/* How many frames, the innermost ones, an allocator's entry holds, itself among them. */
static size_t inside_allocator(const struct frame *const *frames, size_t n)
{
	size_t inside = 0;

	for (size_t i = 0; i < n; i++) {
		const struct frame_row *row = row_of(frames[i]);

		if (row && row->kind == FRAME_SIGNAL)
			break;
		if (row && row->kind == FRAME_ENTRY)
			inside = i + 1;
		if (row && row->kind == FRAME_ENTRY_AND_CALLER)
			inside = i + 2;
	}
	return inside < n ? inside : n;
}

/* The innermost function of Python from there on; n: none. With `body`, or of a module's body. */
static size_t find_python(const struct frame *const *frames, size_t from, size_t n, bool body)
{
	for (size_t i = from; i < n; i++) {
		enum python_part part;

		if (frames[i]->language != FRAME_OF_PYTHON)
			continue;
		part = python_part__of(frames[i], fits);
		if (part == PYTHON_FUNCTION || (body && part == PYTHON_BODY))
			return i;
	}
	return n;
}

/* In whose place another one owns: an extension's, and that of a module which is being imported,
 * the function's of Python that called or imports it. */
static size_t pass_on(const struct frame *const *frames, size_t owner, size_t n)
{
	size_t python = owner;

	if (!frames[owner]->language && frame__is_extension(frames[owner], fits))
		python = find_python(frames, owner, n, true);
	if (python == n)
		return owner;
	owner = python;
	if (frames[owner]->language == FRAME_OF_PYTHON &&
	    python_part__of(frames[owner], fits) == PYTHON_BODY)
		python = find_python(frames, owner, n, false);
	return python < n ? python : owner;
}

int frames__owner(const struct frame *const *frames, size_t n)
{
	for (size_t i = inside_allocator(frames, n); i < n; i++)
		if (may_own(frames[i], row_of(frames[i])))
			return (int)pass_on(frames, i, n);
	return -1;
}

struct frames_class frames__class(const struct frame *const *frames, size_t n)
{
	const struct frame_row *fallback = NULL;
	size_t inside = inside_allocator(frames, n);
	bool owned = false, unknown = false, private_only = false;

	for (size_t i = 0; i < n; i++) {
		const struct frame_row *row = row_of(frames[i]);

		owned = i >= inside && may_own(frames[i], row);
		if (owned)
			break;
		unknown |= !frames[i]->module && !frames[i]->function;
		if (!row || row->use == FRAME_UNSAID)
			continue;
		if (row->say < FRAME_SAYS_AT_LAST)
			return (struct frames_class){
				.runtime = row->runtime,
				.use = row->use,
				.as_reserved = row->say == FRAME_SAYS_IF_NOT_RESERVED,
			};
		if (!fallback) {
			fallback = row;
			/* Behind unknown code: a program's that the runtime compiled, perhaps. */
			private_only = unknown || row->say == FRAME_SAYS_AT_LAST_OF_PRIVATE;
		}
	}
	if (fallback)
		return (struct frames_class){
			.runtime = fallback->runtime,
			.use = fallback->use,
			.private_only = private_only,
		};
	return (struct frames_class){.use = FRAME_NO_USE, .as_reserved = !owned};
}
