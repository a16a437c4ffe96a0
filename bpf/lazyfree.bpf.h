/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which processes have given memory back with MADV_FREE since their exec. All others have none of
 * it, so it need not be asked how much that is: only smaps and smaps_rollup tell, which visit each
 * page.
 */
#ifndef MEMPROV_LAZYFREE_BPF_H
#define MEMPROV_LAZYFREE_BPF_H

#define LAZY_PROCESSES 4096

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LAZY_PROCESSES);
	__type(key, __u32); /* tgid */
	__type(value, __u8);
} freed_lazily SEC(".maps");

__u64 freed_lazily_untold; /* found no room: any process may have */

static __always_inline void note_lazyfree(void)
{
	__u32 tgid = current_tgid();
	__u8 yes = 1;

	/* Allocators do it all day. */
	if (!bpf_map_lookup_elem(&freed_lazily, &tgid) &&
	    bpf_map_update_elem(&freed_lazily, &tgid, &yes, BPF_ANY))
		__sync_fetch_and_add(&freed_lazily_untold, 1);
}

static __always_inline void forget_lazyfree(__u32 tgid)
{
	bpf_map_delete_elem(&freed_lazily, &tgid);
}

#endif
