// SPDX-License-Identifier: BSD-2-Clause
/* The reader of smaps and maps: user/proc/smaps.c, vma.c, vma_kind.c. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/procfs.h"
#include "proc/smaps.h"
#include "util/buf.h"
#include "util/cleanup.h"

#define FIELDS_BEFORE_RSS "Size: 8 kB\nKernelPageSize: 4 kB\nMMUPageSize: 4 kB\n"
#define FIELDS_AFTER_RSS                                                                           \
	"Pss: 4 kB\nPss_Dirty: 0 kB\nShared_Clean: 1 kB\nShared_Dirty: 2 kB\n"                     \
	"Private_Clean: 3 kB\nPrivate_Dirty: 2 kB\nReferenced: 0 kB\nAnonymous: 0 kB\n"            \
	"KSM: 0 kB\nLazyFree: 0 kB\nAnonHugePages: 0 kB\nShmemPmdMapped: 0 kB\n"                   \
	"FilePmdMapped: 0 kB\nShared_Hugetlb: 5 kB\nPrivate_Hugetlb: 6 kB\nSwap: 7 kB\n"           \
	"SwapPss: 9 kB\nLocked: 0 kB\nTHPeligible:           0\nProtectionKey:         0\n"
#define FIELDS FIELDS_BEFORE_RSS "Rss: 8 kB\n" FIELDS_AFTER_RSS
#define FLAGS  "VmFlags: rd wr mr mw me ac \n"
#define HEADER "1000-3000 rw-p 00000000 00:00 0 \n"
#define RECORD HEADER FIELDS FLAGS

/* Feeds the text in pieces of `piece` bytes. */
static int parse(enum smaps_format format, const char *text, size_t len, size_t piece,
		 struct vma_set *ret)
{
	struct smaps_parser *parser = smaps_parser__new(format);
	int err = 0;

	assert_non_null(parser);
	for (size_t at = 0; at < len && !err; at += piece)
		err = smaps_parser__feed(parser, text + at, len - at < piece ? len - at : piece);
	if (!err)
		err = smaps_parser__finish(parser, ret);
	smaps_parser__free(parser);
	return err;
}

static int parse_text(enum smaps_format format, const char *text, struct vma_set *ret)
{
	return parse(format, text, strlen(text), SIZE_MAX / 2, ret);
}

static void read_fixture(const char *name, struct buf *ret)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "tests/fixtures/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(buf__read_fd(ret, fd, 1 << 20), 0);
	close(fd);
}

static const struct vma *find_named(const struct vma_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (!strcmp(vma_set__name(set, &set->vmas[i]), name))
			return &set->vmas[i];
	}
	return NULL;
}

static void assert_same_set(const struct vma_set *a, const struct vma_set *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->torn, b->torn);
	assert_int_equal(a->names_cut, b->names_cut);
	assert_int_equal(a->names.len, b->names.len);
	if (a->n) {
		assert_memory_equal(a->vmas, b->vmas, a->n * sizeof(*a->vmas));
		assert_memory_equal(a->names.data, b->names.data, a->names.len);
	}
}

static void every_field_goes_to_its_place(void **state)
{
	struct vma_set set = {};
	const struct vma *vma;

	assert_int_equal(parse_text(SMAPS_FULL,
				    "1000-3000 r-xs 0000a000 fe:1f 18446744073709551615 /x\n" FIELDS
				    "VmFlags: rd gd sh io \n",
				    &set),
			 0);
	assert_int_equal(set.n, 1);
	vma = set.vmas;
	assert_int_equal(vma->start, 0x1000);
	assert_int_equal(vma->end, 0x3000);
	assert_int_equal(vma->offset, 0xa000);
	assert_int_equal(vma->major, 0xfe);
	assert_int_equal(vma->minor, 0x1f);
	assert_true(vma->inode == UINT64_MAX);
	assert_string_equal(vma->perms, "r-xs");
	assert_string_equal(vma_set__name(&set, vma), "/x");
	assert_int_equal(vma->kind, VMA_FILE);
	assert_int_equal(vma->flags, VMA_GROWS_DOWN | VMA_SHARED | VMA_IO);
	assert_int_equal(vma->rss, 8 * 1024);
	assert_int_equal(vma->pss, 4 * 1024);
	assert_int_equal(vma->shared_clean, 1 * 1024);
	assert_int_equal(vma->shared_dirty, 2 * 1024);
	assert_int_equal(vma->private_clean, 3 * 1024);
	assert_int_equal(vma->private_dirty, 2 * 1024);
	assert_int_equal(vma->shared_hugetlb, 5 * 1024);
	assert_int_equal(vma->private_hugetlb, 6 * 1024);
	assert_int_equal(vma->swap, 7 * 1024);
	assert_int_equal(vma->swap_pss, 9 * 1024);
	vma_set__free(&set);
}

/* Each is one line of maps; what the analyzer that memprov replaces got wrong is among them. */
static void names_and_kinds(void **state)
{
	static const struct {
		const char *line;
		enum vma_kind kind;
		const char *name;
		const char *anon_name;
	} cases[] = {
		{"1000-2000 rw-p 0 00:00 0 ", VMA_ANON, "", ""},
		{"1000-2000 ---p 00000000 00:00 0 ", VMA_ANON, "", ""},
		{"1000-2000 rw-p 0 fe:00 12 ", VMA_FILE, "", ""},
		{"1000-2000 rw-p 0 00:00 0      [heap]", VMA_HEAP, "[heap]", ""},
		{"1000-2000 rw-p 0 00:00 0      [stack]", VMA_STACK, "[stack]", ""},
		{"1000-2000 r-xp 0 00:00 0      [vdso]", VMA_KERNEL, "[vdso]", ""},
		{"1000-2000 r-xp 0 00:00 0      [uprobes]", VMA_KERNEL, "[uprobes]", ""},
		{"ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]", VMA_KERNEL,
		 "[vsyscall]", ""},
		{"1000-2000 rw-p 0 00:00 0 [anon:TXMetaCache]", VMA_ANON_NAMED,
		 "[anon:TXMetaCache]", "TXMetaCache"},
		{"1000-2000 rw-p 0 00:00 0 [anon: Go: heap]", VMA_ANON_NAMED, "[anon: Go: heap]",
		 "Go: heap"},
		{"1000-2000 rw-p 0 00:00 0 [anon: glibc: malloc arena]", VMA_ANON_NAMED,
		 "[anon: glibc: malloc arena]", "glibc: malloc arena"},
		{"1000-2000 rw-p 0 00:00 0 [anon:Rss:  99 kB ]", VMA_ANON_NAMED,
		 "[anon:Rss:  99 kB ]", "Rss:  99 kB "},
		{"1000-2000 rw-p 0 00:00 0 [anon:]", VMA_ANON_NAMED, "[anon:]", ""},
		{"1000-2000 rw-s 0 00:01 7 [anon_shmem:ring-1]", VMA_SHMEM_NAMED,
		 "[anon_shmem:ring-1]", "ring-1"},
		{"1000-2000 rw-p 0 fe:00 12 /tmp/[heap]", VMA_FILE, "/tmp/[heap]", ""},
		{"1000-2000 rw-p 0 fe:00 12 /[heap]", VMA_FILE, "/[heap]", ""},
		{"1000-2000 rw-p 0 fe:00 12 /tmp/[anon:x]", VMA_FILE, "/tmp/[anon:x]", ""},
		{"1000-2000 r--p 0 fe:00 12 /a b/c  d ", VMA_FILE, "/a b/c  d ", ""},
		{"1000-2000 r--p 0 fe:00 12 /x (deleted)", VMA_FILE, "/x (deleted)", ""},
		{"1000-2000 r--p 0 fe:00 12 /a:b-c Rss: 1 kB", VMA_FILE, "/a:b-c Rss: 1 kB", ""},
		{"1000-2000 r--p 0 fe:00 12 /2000-3000 rw-p 0 00:00 0 [heap]", VMA_FILE,
		 "/2000-3000 rw-p 0 00:00 0 [heap]", ""},
		{"1000-2000 r--p 0 fe:00 12 /a\\012VmFlags: rd", VMA_FILE, "/a\nVmFlags: rd", ""},
		{"1000-2000 r--p 0 fe:00 12 /\\012\\0123000-4000\\012", VMA_FILE,
		 "/\n\n3000-4000\n", ""},
		{"1000-2000 r--p 0 fe:00 12 /a\\01", VMA_FILE, "/a\\01", ""},
		{"1000-2000 r--p 0 fe:00 12 /\xff\xfe\x80", VMA_FILE, "/\xff\xfe\x80", ""},
		{"1000-2000 rw-p 0 00:06 4 /dev/zero", VMA_DEV_ZERO, "/dev/zero", ""},
		{"1000-2000 rw-s 0 00:01 9 /dev/zero (deleted)", VMA_SHARED_ANON,
		 "/dev/zero (deleted)", ""},
		{"1000-2000 rw-s 0 00:01 9 /memfd:a (deleted)", VMA_MEMFD, "/memfd:a (deleted)",
		 ""},
		{"1000-2000 rw-s 0 00:01 9 /memfd: (deleted)", VMA_MEMFD, "/memfd: (deleted)", ""},
		{"1000-2000 rw-s 0 fe:00 9 /memfd:a (deleted)", VMA_FILE, "/memfd:a (deleted)", ""},
		{"1000-2000 rw-s 0 00:1d 9 /secretmem (deleted)", VMA_MEMFD, "/secretmem (deleted)",
		 ""},
		{"1000-2000 rw-s 0 00:01 0 /SYSV00000000 (deleted)", VMA_SYSV,
		 "/SYSV00000000 (deleted)", ""},
		{"1000-2000 rw-s 0 00:1b 2 /dev/shm/seg", VMA_DEV_SHM, "/dev/shm/seg", ""},
		{"1000-2000 rw-s 0 00:1b 2 /dev/shm/seg (deleted)", VMA_DEV_SHM,
		 "/dev/shm/seg (deleted)", ""},
		{"1000-2000 rw-p 0 00:0f 31 /anon_hugepage (deleted)", VMA_HUGETLB,
		 "/anon_hugepage (deleted)", ""},
		{"1000-2000 rw-s 0 00:0e 5 anon_inode:[io_uring]", VMA_DEVICE,
		 "anon_inode:[io_uring]", ""},
		{"1000-2000 rw-s 0 00:08 5 socket:[4711]", VMA_DEVICE, "socket:[4711]", ""},
		{"1000-2000 rw-s 0 00:13 5 /[aio] (deleted)", VMA_DEVICE, "/[aio] (deleted)", ""},
		{"1000-2000 rw-s 0 00:06 5 /dev/dri/card0", VMA_DEVICE, "/dev/dri/card0", ""},
		{"1000-2000 rw-s 0 00:06 5 /dev/zeroes", VMA_DEVICE, "/dev/zeroes", ""},
		{"1000-2000 rw-s 0 fe:00 5 /device/x", VMA_FILE, "/device/x", ""},
	};
	char name[64], text[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vma_set set = {};

		snprintf(text, sizeof(text), "%s\n", cases[i].line);
		if (parse_text(SMAPS_MAPS, text, &set))
			fail_msg("not read: %s", cases[i].line);
		assert_int_equal(set.n, 1);
		if (set.vmas->kind != cases[i].kind)
			fail_msg("kind %d: %s", set.vmas->kind, cases[i].line);
		assert_string_equal(vma_set__name(&set, set.vmas), cases[i].name);
		vma_set__anon_name(&set, set.vmas, name, sizeof(name));
		assert_string_equal(name, cases[i].anon_name);
		vma_set__free(&set);
	}
}

static void flags_tell_huge_pages(void **state)
{
	struct vma_set set = {};

	assert_int_equal(parse_text(SMAPS_FULL,
				    "1000-3000 rw-s 0 00:0f 3 /memfd:x (deleted)\n" FIELDS
				    "VmFlags: rd wr sh ht \n",
				    &set),
			 0);
	assert_int_equal(set.vmas->kind, VMA_HUGETLB);
	vma_set__free(&set);
}

static void anon_name_fits_any_buffer(void **state)
{
	struct vma_set set = {};
	char name[8];

	assert_int_equal(
		parse_text(SMAPS_MAPS, "1000-2000 rw-p 0 00:00 0 [anon:TXMetaCache]\n", &set), 0);
	vma_set__anon_name(&set, set.vmas, name, sizeof(name));
	assert_string_equal(name, "TXMetaC");
	vma_set__anon_name(&set, set.vmas, name, 1);
	assert_string_equal(name, "");
	name[0] = 'z';
	vma_set__anon_name(&set, set.vmas, name, 0);
	assert_int_equal(name[0], 'z');
	vma_set__free(&set);
}

static void bad_maps_are_refused(void **state)
{
	static const char *const cases[] = {
		"\n",
		"\n1000-2000 rw-p 0 00:00 0 \n",
		"1000-2000 rw-p 0 00:00 0 ",
		"1000-2000 rw-p 0 00:00 0\n",
		"1000-2000 rw-p 0 00:00\n",
		"1000-2000 rw-p 0 0000 0 \n",
		"1000-2000 rw-p\n",
		"1000-2000 rwxp0 00:00 0 \n",
		"1000-2000 rwxz 0 00:00 0 \n",
		"1000-2000 wr-p 0 00:00 0 \n",
		"1000-1000 rw-p 0 00:00 0 \n",
		"2000-1000 rw-p 0 00:00 0 \n",
		"1000-2001 rw-p 0 00:00 0 \n",
		"1001-2000 rw-p 0 00:00 0 \n",
		"1000 -2000 rw-p 0 00:00 0 \n",
		"-2000 rw-p 0 00:00 0 \n",
		" 1000-2000 rw-p 0 00:00 0 \n",
		"1000-10000000000000000 rw-p 0 00:00 0 \n",
		"1000-2000 rw-p 10000000000000000 00:00 0 \n",
		"1000-2000 rw-p 0 100000000:00 0 \n",
		"1000-2000 rw-p 0 00:00 18446744073709551616 \n",
		"1000-2000 rw-p 0 00:00 -1 \n",
		"1000-2000 rw-p 0 00:00 0 \n1000-2000 rw-p 0 00:00 0 \n",
		"3000-4000 rw-p 0 00:00 0 \n1000-2000 rw-p 0 00:00 0 \n",
		"1000-4000 rw-p 0 00:00 0 \n2000-3000 rw-p 0 00:00 0 \n",
		"1000-2000 rw-p 0 00:00 0 \nRss: 1 kB\n",
		"Rss: 1 kB\n",
		RECORD,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vma_set set = {.n = 77};

		if (parse_text(SMAPS_MAPS, cases[i], &set) != -EBADMSG)
			fail_msg("read: %s", cases[i]);
		assert_int_equal(set.n, 77);
	}
}

static void bad_records_are_refused(void **state)
{
	static const char *const cases[] = {
		/* Cut, or with a part missing. */
		HEADER,
		HEADER FIELDS,
		HEADER FIELDS FLAGS HEADER,
		HEADER FLAGS,
		HEADER FIELDS_BEFORE_RSS FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS "VmFlags: rd",
		HEADER FIELDS "9000-a000 rw-p 0 00:00 0 \n" FIELDS FLAGS,
		/* Out of place, or twice. */
		FIELDS FLAGS,
		"VmFlags: rd \n",
		RECORD FLAGS,
		RECORD "Rss: 1 kB\n",
		HEADER "Rss: 8 kB\n" FIELDS FLAGS,
		/* Amounts. */
		HEADER FIELDS_BEFORE_RSS "Rss: kB\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: 8\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: 8 MB\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: 8 kB \n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: -8 kB\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: 0x8 kB\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss 8 kB\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: 18014398509481984 kB\n" FIELDS_AFTER_RSS FLAGS,
		HEADER FIELDS_BEFORE_RSS "Rss: 99999999999999999999 kB\n" FIELDS_AFTER_RSS FLAGS,
		"1000-3000 rw-p 0 00:00 0 \nSize: x kB\n" FIELDS FLAGS,
		/* Flags. */
		HEADER FIELDS "VmFlags: r\n",
		HEADER FIELDS "VmFlags: rdwr \n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vma_set set = {.n = 77};

		if (parse_text(SMAPS_FULL, cases[i], &set) != -EBADMSG)
			fail_msg("read: %s", cases[i]);
		assert_int_equal(set.n, 77);
	}
}

#define WITH_LENGTH(text) text, sizeof(text) - 1

static void a_zero_byte_is_refused(void **state)
{
	static const struct {
		enum smaps_format format;
		const char *text;
		size_t len;
	} cases[] = {
		{SMAPS_MAPS, WITH_LENGTH("1000-2000 r--p 0 fe:00 12 /a\0b\n")},
		{SMAPS_FULL, WITH_LENGTH(HEADER FIELDS "VmFlags: r\0 \n")},
		{SMAPS_FULL, WITH_LENGTH(HEADER FIELDS "Later: 1\0 kB\n" FLAGS)},
		{SMAPS_FULL,
		 WITH_LENGTH(HEADER FIELDS_BEFORE_RSS "Rss:\0 8 kB\n" FIELDS_AFTER_RSS FLAGS)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vma_set set = {};

		assert_int_equal(parse(cases[i].format, cases[i].text, cases[i].len, 100, &set),
				 -EBADMSG);
	}
}

static void a_newer_kernel_does_not_stop_us(void **state)
{
	struct vma_set set = {};

	assert_int_equal(parse_text(SMAPS_FULL,
				    HEADER "Quux_2: many words\n" FIELDS
					   "Later:  1 kB\nVmFlags: rd zz 7q \nAfter: 1\n"
					   "9000-a000 rw-p 0 00:00 0 \n" FIELDS FLAGS,
				    &set),
			 0);
	assert_int_equal(set.n, 2);
	vma_set__free(&set);
}

static void empty_text_is_an_empty_set(void **state)
{
	struct vma_set set = {.n = 77};

	assert_int_equal(parse_text(SMAPS_FULL, "", &set), 0);
	assert_int_equal(set.n, 0);
	assert_null(vma_set__find(&set, 0));
	vma_set__free(&set);
}

static void errors_stay_and_say_where(void **state)
{
	struct smaps_parser *parser = smaps_parser__new(SMAPS_MAPS);
	static const char text[] = "1000-2000 rw-p 0 00:00 0 \nwrong\n";
	struct vma_set set = {};

	assert_int_equal(smaps_parser__line(parser), 1);
	assert_int_equal(smaps_parser__feed(parser, text, strlen(text)), -EBADMSG);
	assert_int_equal(smaps_parser__line(parser), 2);
	assert_int_equal(smaps_parser__feed(parser, text, strlen(text)), -EBADMSG);
	assert_int_equal(smaps_parser__finish(parser, &set), -EBADMSG);
	smaps_parser__free(parser);
	smaps_parser__free(NULL);
}

static void neighbours_share_a_name(void **state)
{
	struct vma_set set = {};

	assert_int_equal(parse_text(SMAPS_MAPS,
				    "1000-2000 r--p 0 fe:00 12 /a\n2000-3000 r--p 0 fe:00 12 /a\n"
				    "3000-4000 r--p 0 fe:00 13 /b\n4000-5000 rw-p 0 00:00 0 \n",
				    &set),
			 0);
	assert_int_equal(set.vmas[0].name, set.vmas[1].name);
	assert_string_equal(vma_set__name(&set, &set.vmas[1]), "/a");
	assert_string_equal(vma_set__name(&set, &set.vmas[2]), "/b");
	assert_int_equal(set.vmas[3].name, 0);
	assert_int_equal(set.names.len, sizeof("\0/a\0/b"));
	vma_set__free(&set);
}

/* A process may hide nothing by paths so long that they cannot be kept. */
static void long_names_are_cut(void **state)
{
	static const size_t lengths[] = {SMAPS_NAME_MAX, SMAPS_NAME_MAX + 1, SMAPS_LINE_MAX - 26,
					 SMAPS_LINE_MAX + 1000};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct vma_set set = {}, pieces = {};
		struct buf text = {};

		buf__puts(&text, "1000-2000 r--p 0 fe:00 12 ");
		for (size_t n = 0; n < lengths[i]; n++)
			buf__add(&text, "/", 1);
		buf__puts(&text, "\n2000-3000 r--p 0 fe:00 12 /b\n");
		assert_int_equal(parse(SMAPS_MAPS, text.data, text.len, text.len, &set), 0);
		assert_int_equal(set.n, 2);
		assert_int_equal(set.vmas->kind, VMA_FILE);
		assert_int_equal(strlen(vma_set__name(&set, set.vmas)), SMAPS_NAME_MAX);
		assert_int_equal(set.names_cut, i ? 1 : 0);
		assert_string_equal(vma_set__name(&set, set.vmas + 1), "/b");
		assert_int_equal(parse(SMAPS_MAPS, text.data, text.len, 1000, &pieces), 0);
		assert_same_set(&set, &pieces);
		vma_set__free(&pieces);
		vma_set__free(&set);
		buf__free(&text);
	}
}

/*
 * Reading the smaps of a process that changes its protections as fast as it can gave overlaps in
 * 43 of 100 readings (6.18): the next read(2) shows the merged VMA that covers the last one.
 */
static void torn_records_count_once(void **state)
{
	struct vma_set set = {};

	/* The second covers the first; the fourth begins within the third. */
	assert_int_equal(parse_text(SMAPS_FULL,
				    "1000-3000 rw-p 0 00:00 0 \n" FIELDS FLAGS
				    "1000-5000 rw-p 0 00:00 0 \n" FIELDS FLAGS
				    "8000-10000 rw-p 0 00:00 0 [anon:a]\n" FIELDS FLAGS
				    "a000-12000 rw-p 0 00:00 0 [anon:b]\n" FIELDS FLAGS,
				    &set),
			 0);
	assert_int_equal(set.torn, 2);
	assert_int_equal(set.n, 3);
	assert_int_equal(set.vmas[0].end, 0x5000);
	assert_int_equal(set.vmas[0].rss, 8 * 1024);
	assert_int_equal(set.vmas[1].start, 0x8000);
	assert_int_equal(set.vmas[1].end, 0xa000);
	assert_int_equal(set.vmas[1].rss, 2 * 1024);
	assert_int_equal(set.vmas[1].rss, set.vmas[1].shared_clean + set.vmas[1].shared_dirty +
						  set.vmas[1].private_clean +
						  set.vmas[1].private_dirty);
	assert_string_equal(vma_set__name(&set, &set.vmas[1]), "[anon:a]");
	assert_int_equal(set.vmas[2].start, 0xa000);
	assert_int_equal(set.vmas[2].rss, 8 * 1024);
	vma_set__free(&set);
}

static void fixtures_in_any_pieces(void **state)
{
	static const char *const fixtures[] = {"smaps-6.1.txt", "smaps-6.18.txt"};
	static const size_t pieces[] = {1, 2, 3, 7, 64, 4095, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		struct vma_set whole = {}, set = {};
		struct buf text = {};

		read_fixture(fixtures[i], &text);
		assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &whole), 0);
		assert_true(whole.n > 5);
		for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
			assert_int_equal(parse(SMAPS_FULL, text.data, text.len, pieces[p], &set),
					 0);
			assert_same_set(&whole, &set);
			vma_set__free(&set);
		}
		vma_set__free(&whole);
		buf__free(&text);
	}
}

/* Wherever the text is cut there is an error, or whole records and nothing else. */
static void a_cut_anywhere_is_seen(void **state)
{
	struct vma_set whole = {}, set;
	struct buf text = {};
	size_t cuts = 0;

	read_fixture("smaps-6.1.txt", &text);
	assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &whole), 0);
	for (size_t len = 0; len < text.len; len++) {
		int err = parse(SMAPS_FULL, text.data, len, len ? len : 1, &set);

		if (err) {
			assert_int_equal(err, -EBADMSG);
			continue;
		}
		assert_true(!len || (text.data[len - 1] == '\n' && text.data[len - 2] == ' '));
		assert_int_equal(set.n, cuts++);
		if (set.n)
			assert_memory_equal(set.vmas, whole.vmas, set.n * sizeof(*set.vmas));
		vma_set__free(&set);
	}
	assert_int_equal(cuts, whole.n);
	vma_set__free(&whole);
	buf__free(&text);
}

static void fixture_of_6_1(void **state)
{
	struct vma_set set = {};
	struct buf text = {};
	const struct vma *vma;

	read_fixture("smaps-6.1.txt", &text);
	assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &set), 0);
	assert_int_equal(set.n, 9);
	vma = find_named(&set, "[anon: Go: heap]");
	assert_non_null(vma);
	assert_int_equal(vma->rss, 4 << 20);
	assert_int_equal(vma->swap, 40 << 10);
	vma = find_named(&set, "/anon_hugepage (deleted)");
	assert_int_equal(vma->kind, VMA_HUGETLB);
	assert_int_equal(vma->private_hugetlb, 2 << 20);
	assert_int_equal(vma->rss, 0);
	vma = find_named(&set, "anon_inode:[io_uring]");
	assert_int_equal(vma->kind, VMA_DEVICE);
	assert_int_equal(vma->flags, VMA_SHARED | VMA_IO);
	assert_ptr_equal(vma_set__find(&set, 0xaaaacd5f0000), &set.vmas[0]);
	assert_ptr_equal(vma_set__find(&set, 0xaaaacd5fffff), &set.vmas[0]);
	assert_null(vma_set__find(&set, 0xaaaacd600000));
	assert_null(vma_set__find(&set, 0));
	assert_null(vma_set__find(&set, UINT64_MAX));
	assert_int_equal(vma_set__find(&set, 0xfffffffe0000)->kind, VMA_STACK);
	vma_set__free(&set);
	buf__free(&text);
}

static void fixture_of_6_18(void **state)
{
	static const struct {
		const char *name;
		enum vma_kind kind;
	} cases[] = {
		{"/tmp/a b\nc: d-e (deleted)", VMA_FILE},
		{"/tmp/trailing ", VMA_FILE},
		{"/tmp/[heap] (deleted)", VMA_FILE},
		{"/dev/zero (deleted)", VMA_SHARED_ANON},
		{"/memfd:cache x (deleted)", VMA_MEMFD},
		{"/SYSV00000000 (deleted)", VMA_SYSV},
		{"/dev/zero", VMA_DEV_ZERO},
		{"/dev/shm/seg", VMA_DEV_SHM},
		{"[heap]", VMA_HEAP},
		{"[stack]", VMA_STACK},
		{"[vvar]", VMA_KERNEL},
		{"[vsyscall]", VMA_KERNEL},
	};
	struct vma_set set = {};
	struct buf text = {};

	read_fixture("smaps-6.18.txt", &text);
	assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &set), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vma *vma = find_named(&set, cases[i].name);

		if (!vma || vma->kind != cases[i].kind)
			fail_msg("%s: kind %d", cases[i].name, vma ? vma->kind : -1);
	}
	/* 128 of 256 kB touched; the ---p mapping behind it is there too. */
	assert_int_equal(vma_set__find(&set, 0x7e0000000000)->rss, 0x20000);
	assert_string_equal(vma_set__find(&set, 0x7e0000140000)->perms, "---p");
	vma_set__free(&set);
	buf__free(&text);
}

/* The sum of a field by another road: every line of the file that begins with it. */
static uint64_t sum_lines(const char *path, const char *field, size_t *ret_headers)
{
	char line[8192], format[64];
	uint64_t sum = 0, value;
	FILE *file;

	snprintf(format, sizeof(format), "%s: %%" SCNu64 " kB", field);
	file = fopen(path, "r");
	assert_non_null(file);
	*ret_headers = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, format, &value) == 1)
			sum += value * 1024;
		*ret_headers += strspn(line, "0123456789abcdef") > 3;
	}
	fclose(file);
	return sum;
}

static void every_field_adds_up(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{"Rss", offsetof(struct vma, rss)},
		{"Pss", offsetof(struct vma, pss)},
		{"Shared_Clean", offsetof(struct vma, shared_clean)},
		{"Shared_Dirty", offsetof(struct vma, shared_dirty)},
		{"Private_Clean", offsetof(struct vma, private_clean)},
		{"Private_Dirty", offsetof(struct vma, private_dirty)},
		{"Swap", offsetof(struct vma, swap)},
		{"SwapPss", offsetof(struct vma, swap_pss)},
		{"Shared_Hugetlb", offsetof(struct vma, shared_hugetlb)},
		{"Private_Hugetlb", offsetof(struct vma, private_hugetlb)},
	};
	static const char *const fixtures[] = {"smaps-6.1.txt", "smaps-6.18.txt"};

	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		struct vma_set set = {};
		struct buf text = {};
		char path[256];
		size_t headers;

		read_fixture(fixtures[i], &text);
		snprintf(path, sizeof(path), "tests/fixtures/%s", fixtures[i]);
		assert_int_equal(parse(SMAPS_FULL, text.data, text.len, text.len, &set), 0);
		for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
			uint64_t sum = 0, value;

			for (size_t v = 0; v < set.n; v++) {
				memcpy(&value, (char *)&set.vmas[v] + fields[f].offset,
				       sizeof(value));
				sum += value;
			}
			assert_int_equal(sum, sum_lines(path, fields[f].name, &headers));
			assert_int_equal(set.n, headers);
		}
		vma_set__free(&set);
		buf__free(&text);
	}
}

/* A stopped child: its map holds still while it is read in two ways. */
static void the_real_kernel(void **state)
{
	uint64_t rss = 0;
	struct vma_set full = {}, maps = {};
	int pidfd, status;
	size_t headers;
	char path[64];
	pid_t pid = fork();

	if (!pid) {
		char *p;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < 3 << 20; i += 4096)
			p[i] = 1;
		raise(SIGSTOP);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	pidfd = procfs__open("/proc", pid);
	assert_true(pidfd >= 0);
	assert_int_equal(procfs__vmas(pidfd, SMAPS_FULL, NULL, &full), 0);
	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &maps), 0);
	for (size_t i = 0; i < full.n; i++)
		rss += full.vmas[i].rss;
	/* Only Rss: what is shared with whom changes while we, the parent, run. */
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	assert_int_equal(rss, sum_lines(path, "Rss", &headers));
	assert_true(rss > 3 << 20);
	assert_int_equal(full.n, headers);
	assert_int_equal(full.torn, 0);
	assert_int_equal(maps.n, full.n);
	for (size_t i = 0; i < full.n; i++) {
		assert_int_equal(maps.vmas[i].start, full.vmas[i].start);
		assert_int_equal(maps.vmas[i].end, full.vmas[i].end);
		assert_int_equal(maps.vmas[i].kind, full.vmas[i].kind);
		assert_string_equal(vma_set__name(&maps, &maps.vmas[i]),
				    vma_set__name(&full, &full.vmas[i]));
		assert_int_equal(maps.vmas[i].rss, 0);
	}
	vma_set__free(&full);
	vma_set__free(&maps);
	close(pidfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Splits and merges its VMAs for as long as it lives. */
static void change_protections(void)
{
	size_t pages = 400;
	char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	unsigned int random = 1;

	for (;;) {
		size_t at, n;

		random = random * 1103515245 + 12345;
		at = (random >> 8) % pages;
		n = 1 + (random >> 20) % 40;
		mprotect(p + at * 4096, (at + n > pages ? pages - at : n) * 4096,
			 random >> 18 & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
	}
}

static void a_racing_process_can_be_read(void **state)
{
	pid_t pid = fork();
	int pidfd;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		change_protections();
	}
	pidfd = procfs__open("/proc", pid);
	assert_true(pidfd >= 0);
	for (int i = 0; i < 300; i++) {
		struct vma_set set = {};

		assert_int_equal(procfs__vmas(pidfd, i % 2 ? SMAPS_MAPS : SMAPS_FULL, NULL, &set),
				 0);
		for (size_t v = 1; v < set.n; v++)
			assert_true(set.vmas[v].start >= set.vmas[v - 1].end);
		vma_set__free(&set);
	}
	close(pidfd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_goes_to_its_place),
		cmocka_unit_test(names_and_kinds),
		cmocka_unit_test(flags_tell_huge_pages),
		cmocka_unit_test(anon_name_fits_any_buffer),
		cmocka_unit_test(bad_maps_are_refused),
		cmocka_unit_test(bad_records_are_refused),
		cmocka_unit_test(a_zero_byte_is_refused),
		cmocka_unit_test(a_newer_kernel_does_not_stop_us),
		cmocka_unit_test(empty_text_is_an_empty_set),
		cmocka_unit_test(errors_stay_and_say_where),
		cmocka_unit_test(neighbours_share_a_name),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(torn_records_count_once),
		cmocka_unit_test(fixtures_in_any_pieces),
		cmocka_unit_test(a_cut_anywhere_is_seen),
		cmocka_unit_test(fixture_of_6_1),
		cmocka_unit_test(fixture_of_6_18),
		cmocka_unit_test(every_field_adds_up),
		cmocka_unit_test(the_real_kernel),
		cmocka_unit_test(a_racing_process_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
