/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Frames of CPython, which are in the interpreter's own memory: what BPF must know of a process to
 * read them at the event, and what it has read. Shared by kernel and user side, as event.h.
 */
#ifndef MEMPROV_PYTHON_H
#define MEMPROV_PYTHON_H

#define MP_TICK_NS 10000000 /* /proc counts start times so */

#define MP_PYTHON_PROCESSES                                                                        \
	4096 /* of which BPF reads frames; beyond that the idlest is forgotten */
#define MP_PYTHON_FILES	    1024 /* of interpreters that are known */
#define MP_PYTHON_FRAMES    128	 /* of one stack, the innermost ones */
#define MP_PYTHON_NAME_MAX  512	 /* bytes of a name, and of a file's */
#define MP_PYTHON_LINES_MAX 4096 /* bytes of a table of lines */
#define MP_PYTHON_TEXT_MAX  20480

/* Where an interpreter's structures have what is read: offsets in bytes. */
struct mp_python_layout {
	/* of _PyRuntime */
	__u32 tstate_current; /* 0: it does not say which thread has the GIL */
	__u32 interpreters;   /* the first one */
	/* of an interpreter's state */
	__u32 interpreter_next;
	__u32 threads; /* the first one */
	/* of a thread's state */
	__u32 thread_next;
	__u32 thread_id;    /* the kernel's, in the process's own PID namespace */
	__u32 thread_frame; /* the innermost frame; or where that is said: */
	__u32 through;	    /* 1: thread_frame is the address of a _PyCFrame, */
	__u32 cframe_frame; /* which has the frame here, */
	__u32 cframe_outer; /* and the one of the evaluation around it here, or 0 */
	/* of a frame */
	__u32 frame_size; /* bytes that are read of it, at most MP_PYTHON_FRAME_MAX */
	__u32 frame_code;
	__u32 frame_previous;
	__u32 frame_instr;
	__u32 frame_entry; /* 1 byte: not 0 if the evaluation began with this frame; or 0, */
	__u32 frame_owner; /* and 1 byte: MP_PYTHON_SHIM or more if it is no function's, but where
			    * an evaluation begins. In its evaluator's own frame, then */
	/* of a code object */
	__u32 code_size; /* bytes that are read of it, at most MP_PYTHON_CODE_MAX */
	__u32 code_first_line;
	__u32 code_file;
	__u32 code_name;
	__u32 code_lines;
	__u32 code_instrs; /* where its instructions begin */
	/* of a string; one that is not ASCII has its text elsewhere */
	__u32 text_length;
	__u32 text_state;
	__u32 text_ascii;
	__u32 text_other;
	/* of bytes */
	__u32 bytes_length;
	__u32 bytes_data;
};
_Static_assert(sizeof(struct mp_python_layout) == 112, "python layout");

#define MP_PYTHON_STRING    40 /* bytes that are read of a string before its text */
#define MP_PYTHON_FRAME_MAX 96
#define MP_PYTHON_CODE_MAX  256
#define MP_PYTHON_SHIM	    3 /* FRAME_OWNED_BY_CSTACK; since 3.14 FRAME_OWNED_BY_INTERPRETER */

/* A process that runs an interpreter, by tgid. */
struct mp_python_process {
	__u64 start_ticks; /* with its number, the process: its start in MP_TICK_NS */
	__u64 runtime;	   /* the address of its _PyRuntime */
	struct mp_python_layout layout;
};
_Static_assert(sizeof(struct mp_python_process) == 128, "python process");

/* What is known of a file that is called as interpreters are. */
struct mp_python_file {
	__u64 runtime;	/* the address of _PyRuntime, before relocation; 0: it has none */
	__u64 code;	/* where its first executable segment begins, likewise, */
	__u64 shift;	/* and by how much that is more than its offset in the file */
	__u64 asked_ns; /* when its event was sent, until it is known */
	struct mp_python_layout layout;
};
_Static_assert(sizeof(struct mp_python_file) == 144, "python file");

/* The text is that of a frame before, whose number is in place of the length: of a name, all of the
 * frame's texts are. */
#define MP_PYTHON_SAME 255

struct mp_python_frame {
	__u64 code; /* the code object's address */
	/* Of the frame with which an evaluation began: an address in the stack frame of the C
	 * function that evaluates it; 0: the next one further out is of the same evaluation. */
	__u64 at;
	__s32 instr; /* where in the bytecode it is, in bytes; MP_PYTHON_NO_INSTR: nowhere */
	__s32 first_line;
	__u16 name_len; /* bytes that follow */
	__u16 file_len;
	__u16 lines_len;
	__u8 name_kind; /* bytes of a character: 1, 2, 4; MP_PYTHON_SAME; 0: it could not be read */
	__u8 file_kind;
};
_Static_assert(sizeof(struct mp_python_frame) == 32, "python frame");

#define MP_PYTHON_NO_INSTR (-0x7fffffff - 1)

/* Behind a stack: n frames, innermost first, then what belongs to each: its name, its file's, and
 * the table of lines. */
struct mp_python {
	__u32 n;
	__u32 cut; /* 1: there are more, or not all could be read */
	struct mp_python_frame frames[];
};
_Static_assert(sizeof(struct mp_python) == 8, "python frames");

#define MP_PYTHON_MAX                                                                              \
	(sizeof(struct mp_python) + MP_PYTHON_FRAMES * sizeof(struct mp_python_frame) +            \
	 MP_PYTHON_TEXT_MAX)

/* What came of a stack of a process with an interpreter. Counters, indices of pythons_taken[]. */
enum mp_python_outcome {
	MP_PYTHONS_TAKEN = 0,
	MP_PYTHONS_CUT,	     /* more frames than MP_PYTHON_FRAMES, or one that could not be read */
	MP_PYTHONS_NO_FRAME, /* the thread runs no Python */
	MP_PYTHONS_LOST,     /* too many threads to look through, or the ring is too full */
	MP_PYTHONS,
};

#endif
