// SPDX-License-Identifier: BSD-2-Clause
/* What functions of languages are that have frames of their own (wire/frame.h). */
#include "reconcile/frames.h"
#include "reconcile/frames_rows.h"

static const struct frame_row java[] = {
	JAVA_CLASSES("~*"), /* HotSpot's stubs */
	JAVA_CLASSES("java.*"),
	JAVA_CLASSES("javax.*"),
	JAVA_CLASSES("jdk.*"),
	JAVA_CLASSES("sun.*"),
	JAVA_CLASSES("com.sun.*"),
	/* Languages that run on it. */
	JAVA_CLASSES("kotlin.*"),
	JAVA_CLASSES("scala.*"),
	JAVA_CLASSES("clojure.lang.*"),
	JAVA_CLASSES("groovy.lang.*"),
	JAVA_CLASSES("org.codehaus.groovy.*"),
	/* What hands out memory outside the heap for others. */
	JAVA_ALLOCATOR("io.netty.buffer.*"),
	JAVA_ALLOCATOR("io.netty.util.internal.*"),
	JAVA_ALLOCATOR("org.lwjgl.system.*"),
	END,
};

static const struct frame_row javascript[] = {
	NODE_FILES("node:*"),
	END,
};

const struct frame_row *const frames_languages[FRAME_LANGUAGES] = {
	[FRAME_OF_MACHINE] = frames_table,
	[FRAME_OF_JAVA] = java,
	[FRAME_OF_JAVASCRIPT] = javascript,
};
