/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The frames of CPython, for stacks of processes that run one. They are in the interpreter's own
 * memory, so they are read at the event, in the thread that made it: from _PyRuntime to the state
 * of this thread, to its frames, to their code objects. What names a code object (its name, its
 * file's, its table of lines) is copied right away: a moment later the object may be gone, and
 * another one be at its address, as the code of a module is as soon as it has been imported.
 *
 *	python_processes  by tgid: where _PyRuntime is, and where its structures have what. From
 *	                  user space, and from python_files when a file of those is mapped
 *	python_files      by inode, of interpreters: the next process that maps one of them needs
 *	                  no look from user space
 *
 * The process may write what it likes there. Every read is bounded, and a thread's state is only
 * believed if it has this thread's number.
 */
#ifndef MEMPROV_PYTHON_BPF_H
#define MEMPROV_PYTHON_BPF_H

#define PYTHON_STEPS	 2048 /* through the list of threads */
#define PYTHON_FILLED	 6    /* sixteenths of the ring: beyond that there is no room for frames */
#define ASK_AGAIN_NS	 1000000000ULL
#define INTERPRETER_NAME 9 /* "libpython" */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MP_PYTHON_PROCESSES);
	__type(key, __u32); /* tgid */
	__type(value, struct mp_python_process);
} python_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MP_PYTHON_FILES);
	__type(key, struct mp_file_key);
	__type(value, struct mp_python_file);
} python_files SEC(".maps");

__u64 pythons_taken[MP_PYTHONS];

/* --- which processes ----------------------------------------------------------------------- */

static __always_inline void forget_python(__u32 tgid)
{
	bpf_map_delete_elem(&python_processes, &tgid);
}

/* The child has the same memory. */
static __always_inline void inherit_python(__u32 parent, __u32 child, __u64 child_start_ns)
{
	const struct mp_python_process *process = bpf_map_lookup_elem(&python_processes, &parent);
	struct mp_python_process copy;

	if (!process)
		return;
	copy = *process;
	copy.start_ticks = child_start_ns / MP_TICK_NS;
	bpf_map_update_elem(&python_processes, &child, &copy, BPF_ANY);
}

static __always_inline bool is_interpreter(struct file *file)
{
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	char begins[INTERPRETER_NAME + 1] = {};
	const char *at = begins;

	bpf_probe_read_kernel_str(begins, sizeof(begins), name);
	if (at[0] == 'l' && at[1] == 'i' && at[2] == 'b')
		at += 3;
	return at[0] == 'p' && at[1] == 'y' && at[2] == 't' && at[3] == 'h' && at[4] == 'o' &&
	       at[5] == 'n';
}

static __always_inline void key_of(struct file *file, struct mp_file_key *ret)
{
	ret->inode = BPF_CORE_READ(file, f_inode, i_ino);
	ret->size = BPF_CORE_READ(file, f_inode, i_size);
	ret->device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	ret->generation = BPF_CORE_READ(file, f_inode, i_generation);
}

static __always_inline void ask_about(struct scratch *s, const struct mp_file_key *key, __u64 addr)
{
	struct mp_event_interpreter *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	struct mp_python_file *asked = (struct mp_python_file *)s->record;

	if (!e)
		return; /* the process's first stack will tell */
	fill_head(&e->head, MP_EVENT_INTERPRETER);
	e->file = *key;
	e->addr = addr;
	__builtin_memset(asked, 0, sizeof(*asked));
	asked->asked_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&python_files, key, asked, BPF_ANY);
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
}

/* The process has mapped it, with code from addr on; `offset` of the file is there, or, if
 * `begins`, what its first executable segment begins with. */
static __noinline int on_interpreter(struct file *file, __u64 addr, __u64 offset, bool begins)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct mp_python_file *known;
	struct mp_python_process *process;
	struct scratch *s = take_scratch(); /* there is not that much room on the stack */
	__u32 tgid = current_tgid();
	struct mp_file_key key;

	if (!s)
		return 0;
	key_of(file, &key);
	known = bpf_map_lookup_elem(&python_files, &key);
	if (!known || (known->asked_ns && bpf_ktime_get_ns() - known->asked_ns > ASK_AGAIN_NS)) {
		ask_about(s, &key, addr);
	} else if (known->runtime) {
		process = (struct mp_python_process *)s->record;
		process->start_ticks = task->group_leader->start_boottime / MP_TICK_NS;
		process->runtime =
			known->runtime + addr - (begins ? known->code : offset + known->shift);
		process->layout = known->layout;
		bpf_map_update_elem(&python_processes, &tgid, process, BPF_ANY);
	}
	give_back(s);
	return 0;
}

static long look_at_file(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	*(struct file **)ctx = vma->vm_file;
	return 0;
}

/* A file has been mapped to be executed. */
static __always_inline void look_for_interpreter(__u64 addr, __u64 offset)
{
	struct file *file = NULL;

	bpf_find_vma(bpf_get_current_task_btf(), addr, look_at_file, &file, 0);
	if (file && is_interpreter(file))
		on_interpreter(file, addr, offset, false);
}

/* Another program has been begun. */
static __always_inline void look_at_program(struct task_struct *task)
{
	struct file *file = BPF_CORE_READ(task, mm, exe_file);

	forget_python(current_tgid());
	if (file && is_interpreter(file))
		on_interpreter(file, BPF_CORE_READ(task, mm, start_code), 0, true);
}

/* --- this thread's state ------------------------------------------------------------------- */

/* As the process itself has it, in its own PID namespace. */
static __always_inline __u32 own_tid(void)
{
	struct pid *pid = BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid);
	unsigned int level = BPF_CORE_READ(pid, level);
	__u32 nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      (level & 63) * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	return nr;
}

struct thread_search {
	const struct mp_python_layout *layout;
	__u64 interpreter;
	__u64 thread;
	__u64 found;
	__u64 distance; /* of what was found */
	__u64 sp;
	__u32 tid;
	bool over;
};

static __always_inline bool is_of_thread(const struct mp_python_layout *layout, __u64 state,
					 __u32 tid)
{
	__u64 id;

	return read_word(state + layout->thread_id, &id) && id == tid;
}

/* A thread may have a state in several interpreters, of which one runs it. That has the innermost
 * evaluation, whose _PyCFrame is on the stack; one that runs nothing has it elsewhere. */
static __always_inline void weigh_state(struct thread_search *search)
{
	__u64 frame = 0, distance = 0;

	if (!read_word(search->thread + search->layout->thread_frame, &frame) || !frame)
		return;
	if (search->layout->through)
		distance = frame - search->sp;
	if (search->found && distance >= search->distance)
		return;
	search->found = search->thread;
	search->distance = distance;
}

static long search_thread(__u32 i, void *ctx)
{
	struct thread_search *search = ctx;
	const struct mp_python_layout *layout = search->layout;

	if (search->thread) {
		if (!is_of_thread(layout, search->thread, search->tid))
			return !read_word(search->thread + layout->thread_next, &search->thread);
		weigh_state(search);
		search->thread = 0; /* on to the next interpreter */
		return 0;
	}
	search->over = !search->interpreter;
	return search->over || !read_word(search->interpreter + layout->threads, &search->thread) ||
	       !read_word(search->interpreter + layout->interpreter_next, &search->interpreter);
}

/* 0: it has none. *ret_cut: there are too many to say so. */
static __noinline __u64 find_thread_state(const struct mp_python_process *process, bool *ret_cut)
{
	const struct mp_python_layout *layout = &process->layout;
	struct thread_search search = {
		.layout = layout, .tid = own_tid(), .sp = USER_SP(syscall_regs())};
	__u64 state;

	*ret_cut = false;
	if (layout->tstate_current &&
	    read_word(process->runtime + layout->tstate_current, &state) && state &&
	    is_of_thread(layout, state, search.tid))
		return state;
	if (!read_word(process->runtime + layout->interpreters, &search.interpreter))
		return 0;
	*ret_cut =
		bpf_loop(PYTHON_STEPS, search_thread, &search, 0) >= PYTHON_STEPS && !search.over;
	return search.found;
}

/* --- its frames ---------------------------------------------------------------------------- */

/* What changes is in the room: the verifier takes what comes from there for anything, and so walks
 * through one round of a loop, not through all of them. */
struct python_walk {
	struct python_room *room;
	const struct mp_python_layout *layout;
};

/* A value within what was read of an object. */
static __always_inline __u64 word_in(const __u8 *bytes, __u32 at, __u32 size)
{
	asm volatile("" : "+r"(at));
	return at <= size - sizeof(__u64) ? *(__u64 *)(bytes + at) : 0;
}

/* Copies len bytes of text, or none; how many. A function of its own, where what has been compared
 * with the room stays in its register: of what is spilled before, Linux 6.1's verifier knows
 * nothing any more. */
static __noinline __u32 take_text(struct python_walk *walk, __u64 from, __u64 len)
{
	__u32 used = walk->room->used;

	asm volatile("" : "+r"(used), "+r"(len));
	if (used > MP_PYTHON_TEXT_MAX - MP_PYTHON_LINES_MAX || len > MP_PYTHON_LINES_MAX ||
	    bpf_probe_read_user(walk->room->text + used, len, (void *)from))
		return 0;
	walk->room->used = used + len;
	return len;
}

/* A str: its kind, 0 when it cannot be read. The longest are cut. */
static __always_inline __u8 take_string(struct python_walk *walk, __u64 at, __u16 *ret_len)
{
	const struct mp_python_layout *layout = walk->layout;
	const __u8 *string = walk->room->string;
	__u64 length, len;
	__u32 state, kind;

	if (bpf_probe_read_user(walk->room->string, MP_PYTHON_STRING, (void *)at))
		return 0;
	length = word_in(string, layout->text_length, MP_PYTHON_STRING);
	state = word_in(string, layout->text_state, MP_PYTHON_STRING);
	/* interned:2, kind:3, compact:1, ascii:1 (Include/cpython/unicodeobject.h) */
	kind = state >> 2 & 7;
	if (!(state & 1 << 5) || (kind != 1 && kind != 2 && kind != 4) || !length)
		return 0;
	len = length > MP_PYTHON_NAME_MAX / kind ? MP_PYTHON_NAME_MAX : length * kind;
	at += state & 1 << 6 ? layout->text_ascii : layout->text_other;
	*ret_len = take_text(walk, at, len);
	return *ret_len ? kind : 0;
}

/* A place for what is known of an object; another one takes it over. */
static __always_inline __u32 slot_of(__u64 object)
{
	return (object >> 4 ^ object >> 11) % PYTHON_SEEN;
}

/* Whether the text of the object is there; then which frame has it. */
static __always_inline bool has_seen(struct python_walk *walk, __u64 object, __u16 *ret_frame)
{
	__u32 slot = slot_of(object);

	*ret_frame = walk->room->seen_at[slot];
	return object && walk->room->seen[slot] == object &&
	       walk->room->seen_round[slot] == walk->room->round;
}

static __always_inline void see(struct python_walk *walk, __u64 object, __u32 frame)
{
	__u32 slot = slot_of(object);

	walk->room->seen[slot] = object;
	walk->room->seen_at[slot] = frame;
	walk->room->seen_round[slot] = walk->room->round;
}

/* What is said of the code object besides its address. `n` is the frame's number. */
static __always_inline void take_code(struct python_walk *walk, struct mp_python_frame *frame,
				      __u32 n)
{
	const struct mp_python_layout *layout = walk->layout;
	const __u8 *code = walk->room->object;
	__u64 file, lines;
	__u32 size = layout->code_size;

	if (has_seen(walk, frame->code, &frame->name_len)) {
		frame->name_kind = MP_PYTHON_SAME;
		return;
	}
	frame->name_len = 0;
	asm volatile("" : "+r"(size));
	if (size > MP_PYTHON_CODE_MAX ||
	    bpf_probe_read_user(walk->room->object, size, (void *)frame->code))
		return;
	file = word_in(code, layout->code_file, MP_PYTHON_CODE_MAX);
	lines = word_in(code, layout->code_lines, MP_PYTHON_CODE_MAX);
	frame->first_line = word_in(code, layout->code_first_line, MP_PYTHON_CODE_MAX);
	frame->name_kind = take_string(walk, word_in(code, layout->code_name, MP_PYTHON_CODE_MAX),
				       &frame->name_len);
	if (has_seen(walk, file, &frame->file_len)) {
		frame->file_kind = MP_PYTHON_SAME;
	} else {
		frame->file_len = 0;
		frame->file_kind = take_string(walk, file, &frame->file_len);
		if (frame->file_kind)
			see(walk, file, n);
	}
	if (read_word(lines + layout->bytes_length, &walk->room->len) &&
	    walk->room->len <= MP_PYTHON_LINES_MAX)
		frame->lines_len = take_text(walk, lines + layout->bytes_data, walk->room->len);
	if (frame->name_kind && frame->file_kind)
		see(walk, frame->code, n);
}

/* The evaluation ends with the last frame, and began in the C function that has `at` in its frame.
 */
static __always_inline void end_evaluation(struct python_walk *walk, __u64 at)
{
	__u32 last = walk->room->n - 1;

	asm volatile("" : "+r"(last));
	if (last < MP_PYTHON_FRAMES)
		walk->room->frames[last].at = at;
}

static long walk_python(__u32 i, void *ctx)
{
	struct python_walk *walk = ctx;
	const struct mp_python_layout *layout = walk->layout;
	const __u8 *bytes = walk->room->object;
	__u32 size = layout->frame_size, n = walk->room->n;
	struct mp_python_frame *frame;
	__u64 at = walk->room->frame, instr;

	if (!at) {
		walk->room->over = true;
		return 1;
	}
	asm volatile("" : "+r"(size), "+r"(n));
	if (size > MP_PYTHON_FRAME_MAX || n >= MP_PYTHON_FRAMES ||
	    bpf_probe_read_user(walk->room->object, size, (void *)at))
		return 1;
	walk->room->frame = word_in(bytes, layout->frame_previous, MP_PYTHON_FRAME_MAX);
	if (layout->frame_owner &&
	    (__u8)word_in(bytes, layout->frame_owner, MP_PYTHON_FRAME_MAX) >= MP_PYTHON_SHIM) {
		end_evaluation(walk, at);
		return 0;
	}
	frame = &walk->room->frames[n];
	__builtin_memset(frame, 0, sizeof(*frame));
	/* Since 3.14 the lowest bits are not the address's. */
	frame->code = word_in(bytes, layout->frame_code, MP_PYTHON_FRAME_MAX) & ~7ULL;
	instr = word_in(bytes, layout->frame_instr, MP_PYTHON_FRAME_MAX) - frame->code -
		layout->code_instrs;
	frame->instr = instr + 2 > 0x7fffffff ? MP_PYTHON_NO_INSTR : (__s32)instr;
	walk->room->n = n + 1;
	if (layout->frame_entry && (__u8)word_in(bytes, layout->frame_entry, MP_PYTHON_FRAME_MAX)) {
		frame->at = walk->room->cframe;
		if (walk->room->cframe && layout->cframe_outer)
			read_word(walk->room->cframe + layout->cframe_outer, &walk->room->cframe);
	}
	take_code(walk, frame, n); /* which reads another object */
	return 0;
}

static __always_inline void count_python(__u32 outcome)
{
	asm volatile("" : "+r"(outcome));
	if (outcome < MP_PYTHONS)
		__sync_fetch_and_add(&pythons_taken[outcome], 1);
}

static __always_inline enum mp_python_outcome walk_frames(const struct mp_python_process *process,
							  struct python_walk *walk)
{
	const struct mp_python_layout *layout = &process->layout;
	bool cut;
	__u64 state = find_thread_state(process, &cut);

	if (!state)
		return cut ? MP_PYTHONS_LOST : MP_PYTHONS_NO_FRAME;
	if (!read_word(state + layout->thread_frame, &walk->room->frame))
		return MP_PYTHONS_NO_FRAME;
	if (layout->through) {
		walk->room->cframe = walk->room->frame;
		if (!read_word(walk->room->cframe + layout->cframe_frame, &walk->room->frame))
			return MP_PYTHONS_NO_FRAME;
	}
	/* Each evaluation may have a frame that is no function's. */
	bpf_loop(2 * MP_PYTHON_FRAMES, walk_python, walk, 0);
	if (!walk->room->n)
		return MP_PYTHONS_NO_FRAME;
	return walk->room->over ? MP_PYTHONS_TAKEN : MP_PYTHONS_CUT;
}

/* Puts struct mp_python there; its length. */
static __always_inline __u32 put_python(struct python_room *room, bool cut, __u8 *to)
{
	__u32 n = room->n, used = (room->used + 7) & ~7U;

	asm volatile("" : "+r"(n), "+r"(used));
	if (n > MP_PYTHON_FRAMES || used > MP_PYTHON_TEXT_MAX)
		return 0;
	((struct mp_python *)to)->n = n;
	((struct mp_python *)to)->cut = cut;
	to += sizeof(struct mp_python);
	if (bpf_probe_read_kernel(to, n * sizeof(struct mp_python_frame), room->frames) ||
	    bpf_probe_read_kernel(to + n * sizeof(struct mp_python_frame), used, room->text))
		return 0;
	return sizeof(struct mp_python) + n * sizeof(struct mp_python_frame) + used;
}

/* Behind a stack: how many bytes its frames of Python take. `to` has room for MP_PYTHON_MAX. */
static __always_inline __u32 take_python(struct scratch *s, __u8 *to)
{
	const struct mp_event_head *head = (struct mp_event_head *)s->record;
	const struct mp_python_process *process;
	struct python_room *room = &s->python;
	struct python_walk walk = {.room = room};
	enum mp_python_outcome outcome;
	__u32 tgid = head->tgid;

	process = bpf_map_lookup_elem(&python_processes, &tgid);
	if (!process || process->start_ticks != head->start_ns / MP_TICK_NS)
		return 0;
	if (is_filled_to(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), PYTHON_FILLED)) {
		count_python(MP_PYTHONS_LOST);
		return 0;
	}
	walk.layout = &process->layout;
	room->cframe = room->n = room->used = room->over = 0;
	room->round++;
	outcome = walk_frames(process, &walk);
	count_python(outcome);
	return outcome <= MP_PYTHONS_CUT ? put_python(room, outcome == MP_PYTHONS_CUT, to) : 0;
}

#endif
