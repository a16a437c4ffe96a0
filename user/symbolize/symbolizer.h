/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw stacks → frames with names. Unwinding and symbols read ELF files that containers brought, so
 * they happen in child processes without privileges, network or file system, one for each trust
 * domain (symbolize/cells.h); this is the parent's side. It opens files for a child (as the process
 * itself could: symbolize/opener.h), hands over descriptors and bytes, and takes back frames. A
 * child that dies or hangs is replaced; the stack it died of then has frames with module and
 * offset, as far as frame pointers or the registers alone tell.
 */
#ifndef MEMPROV_SYMBOLIZER_H
#define MEMPROV_SYMBOLIZER_H

#include <linux/types.h>
#include <sys/types.h>

#include "event.h"
#include "python.h"
#include "symbolize/launch.h"
#include "util/arena.h"
#include "wire/frame.h"

struct symbolizer;
struct visitor;

struct symbolizer_config {
	const char *proc;      /* where the host's procfs is mounted; must outlive it */
	uint64_t child_memory; /* bytes that all children may use */
	unsigned timeout_ms;   /* for one stack; then the child is killed */
	/* What the launcher keeps of our capabilities (1 << CAP_…), to confine its children with.
	 */
	uint64_t launcher_capabilities;
};

/*
 * Forks off the launcher (symbolize/launcher.h), so before the first thread. It starts children
 * when there is something for them to do, from /proc/self/exe: main() must hand its arguments to
 * child__main() first (child/child.h). 0 or -errno.
 */
int symbolizer__new(const struct symbolizer_config *config, struct symbolizer **ret);
void symbolizer__free(struct symbolizer *symbolizer); /* accepts NULL; ends the children */

/* Starts the threads that look into processes' memory (proc/glance.h): without them, code that a
 * program has moved belongs to no file. 0 or -errno. */
int symbolizer__start(struct symbolizer *symbolizer);

/*
 * Looks which domain the process is in. Stacks that were taken before go to that domain's child, so
 * the caller, before it has them unwound, makes sure that the process has begun no other program
 * between them and this. Else symbolizer__unwind() looks by itself. 0 or -errno.
 */
int symbolizer__look(struct symbolizer *symbolizer, pid_t tgid, uint64_t start_ticks);

struct unwind_request {
	pid_t tgid;
	uint64_t start_ticks; /* with tgid, the process */
	const struct mp_stack *stack;
	uint64_t taken_ns;	 /* CLOCK_BOOTTIME, as what follows */
	uint64_t code_added_ns;	 /* when code was last mapped, before that */
	uint64_t map_since_ns;	 /* a map that was read before is of no use */
	bool enrich;		 /* what could not be looked for is looked for again */
	struct visitor *visitor; /* that reads the map (proc/crew.h); NULL: none */
};

/* Blocks up to the timeout (longer when the child has got little of the CPU by then, and is at
 * work); one thread at a time. 0 with ret's strings and arrays in `arena`; -ESRCH when the process
 * has gone before its modules could be read, or why else its map could not be; -EINVAL for a stack
 * that is not as event.h says; -ENOMEM; -ETIMEDOUT, -EUSERS and -ECANCELED as of images__get().
 * Whatever is wrong with the child or with files is not an error but makes the answer poorer. */
int symbolizer__unwind(struct symbolizer *symbolizer, const struct unwind_request *request,
		       struct arena *arena, struct unwound *ret);

/* Where a process has the runtime of CPython. */
struct found_python {
	uint64_t addr;		    /* in: of the file's code; 0: look at all that may have it */
	bool looked;		    /* at a file that could be read */
	struct mp_python_file file; /* the last one; of the one that has it, if one does */
	uint64_t runtime;	    /* its address in the process; 0: no file has it */
};

/* Looks for it; of the request, the stack is not used. 0 or as above; then found is as it was. */
int symbolizer__find_python(struct symbolizer *symbolizer, const struct unwind_request *request,
			    struct found_python *found);

/* The process runs no more, or runs another program: the files of its images are let go. An open
 * file would keep its file system from being unmounted. */
void symbolizer__forget(struct symbolizer *symbolizer, pid_t tgid, uint64_t start_ticks);

/* Whether children can be started, in any thread; where not, call sites are module and offset. */
enum launcher_state symbolizer__launcher(const struct symbolizer *symbolizer);

struct symbolizer_stats {
	uint64_t restarts; /* of a child that died or took too long */
	uint64_t unwound;
	uint64_t truncated;
	uint64_t maps_read;
	uint64_t children_ns; /* CPU time that children have used for requests */
};
void symbolizer__stats(struct symbolizer *symbolizer, struct symbolizer_stats *ret);

#endif
