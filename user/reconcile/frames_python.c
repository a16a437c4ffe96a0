// SPDX-License-Identifier: BSD-2-Clause
/* Frames of Python, by what is known of them: frames_python.h. */
#include "reconcile/frames_python.h"

#include <string.h>

#include "util/cleanup.h"

/* What the interpreter and its standard library put around a program's functions. */
static const struct {
	const char *function; /* '*' stands for any text; NULL: any */
	const char *file;
	enum python_part part;
} parts[] = {
	/* importlib, runpy, zipimport and what else is built into the interpreter */
	{NULL, "<frozen *>", PYTHON_RUNTIME},
	{NULL, "*/importlib/*.py", PYTHON_RUNTIME},
	{NULL, "*/runpy.py", PYTHON_RUNTIME},
	{"Thread._bootstrap*", "*/threading.py", PYTHON_RUNTIME},
	{"Thread.run", "*/threading.py", PYTHON_RUNTIME},
	{"_worker", "*/concurrent/futures/thread.py", PYTHON_RUNTIME},
	{"_WorkItem.run", "*/concurrent/futures/thread.py", PYTHON_RUNTIME},
	{"_process_worker", "*/concurrent/futures/process.py", PYTHON_RUNTIME},
	{"BaseProcess._bootstrap", "*/multiprocessing/process.py", PYTHON_RUNTIME},
	{"BaseProcess.start", "*/multiprocessing/process.py", PYTHON_RUNTIME},
	{"BaseProcess.run", "*/multiprocessing/process.py", PYTHON_RUNTIME},
	{"*._Popen", "*/multiprocessing/context.py", PYTHON_RUNTIME},
	{"Popen.*", "*/multiprocessing/popen_*.py", PYTHON_RUNTIME},
	{"worker", "*/multiprocessing/pool.py", PYTHON_RUNTIME},
	{NULL, "*/multiprocessing/spawn.py", PYTHON_RUNTIME},
	{NULL, "*/multiprocessing/forkserver.py", PYTHON_RUNTIME},
	{"Handle._run", "*/asyncio/events.py", PYTHON_RUNTIME},
	{"BaseEventLoop.*", "*/asyncio/base_events.py", PYTHON_RUNTIME},
	{NULL, "*/asyncio/runners.py", PYTHON_RUNTIME},
	/* Parts of the function around them, which runs them. */
	{"*<listcomp>", NULL, PYTHON_RUNTIME},
	{"*<setcomp>", NULL, PYTHON_RUNTIME},
	{"*<dictcomp>", NULL, PYTHON_RUNTIME},
	{"*<genexpr>", NULL, PYTHON_RUNTIME},
	{"<module>", NULL, PYTHON_BODY},
};

/* Where native modules are that were installed for Python, and are not the program's own. */
static const char *const extensions[] = {
	"*/lib-dynload/*",
	"*/dist-packages/*",
	"*/site-packages/*",
};

static bool fits(const char *pattern, const char *text, text_matches_fn *matches)
{
	return !pattern || (text && matches(pattern, text, strlen(text)));
}

enum python_part python_part__of(const struct frame *frame, text_matches_fn *matches)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (fits(parts[i].function, frame->function, matches) &&
		    fits(parts[i].file, frame->file, matches))
			return parts[i].part;
	}
	return PYTHON_FUNCTION;
}

bool frame__is_extension(const struct frame *frame, text_matches_fn *matches)
{
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		if (fits(extensions[i], frame->module, matches))
			return true;
	}
	return false;
}
