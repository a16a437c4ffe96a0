// SPDX-License-Identifier: BSD-2-Clause
/* The reader of smaps and maps, rule by rule: user/proc/smaps.c, vma.c, vma_kind.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "util/buf.h"
#include "util/cleanup.h"

#include "smaps_text.h"

#define FIELDS_BEFORE_RSS "Size: 8 kB\nKernelPageSize: 4 kB\nMMUPageSize: 4 kB\n"
#define FIELDS_AFTER_RSS                                                                           \
	"Pss: 4 kB\nPss_Dirty: 0 kB\nShared_Clean: 1 kB\nShared_Dirty: 2 kB\n"                     \
	"Private_Clean: 3 kB\nPrivate_Dirty: 2 kB\nReferenced: 0 kB\nAnonymous: 0 kB\n"            \
	"KSM: 1 kB\nLazyFree: 2 kB\nAnonHugePages: 3 kB\nShmemPmdMapped: 4 kB\n"                   \
	"FilePmdMapped: 0 kB\nShared_Hugetlb: 5 kB\nPrivate_Hugetlb: 6 kB\nSwap: 7 kB\n"           \
	"SwapPss: 9 kB\nLocked: 0 kB\nTHPeligible:           0\nProtectionKey:         0\n"
#define FIELDS FIELDS_BEFORE_RSS "Rss: 8 kB\n" FIELDS_AFTER_RSS
#define FLAGS  "VmFlags: rd wr mr mw me ac \n"
#define HEADER "1000-3000 rw-p 00000000 00:00 0 \n"
#define RECORD HEADER FIELDS FLAGS

static int parse_text(enum smaps_format format, const char *text, struct vma_set *ret)
{
	return parse(format, text, strlen(text), SIZE_MAX / 2, ret);
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
	assert_int_equal(vma->kinds.bytes[PAGES_HUGETLB], 11 * 1024);
	assert_int_equal(vma->kinds.bytes[PAGES_KSM], 1 * 1024);
	assert_int_equal(vma->kinds.bytes[PAGES_LAZYFREE], 2 * 1024);
	assert_int_equal(vma->kinds.bytes[PAGES_ANON_HUGE], 3 * 1024);
	assert_int_equal(vma->kinds.bytes[PAGES_SHMEM_HUGE], 4 * 1024);
	assert_int_equal(vma->kinds.bytes[PAGES_FILE_HUGE], 0);
	assert_int_equal(vma->swap, 7 * 1024);
	assert_int_equal(vma->swap_pss, 9 * 1024);
	vma_set__free(&set);
}

/* What a kernel does not tell is not known, and no zero. */
static void kinds_that_an_older_kernel_has_not(void **state)
{
	static const char old[] = HEADER FIELDS_BEFORE_RSS
		"Rss: 8 kB\nPss: 4 kB\nShared_Clean: 1 kB\nShared_Dirty: 2 kB\n"
		"Private_Clean: 3 kB\nPrivate_Dirty: 2 kB\nAnonHugePages: 3 kB\n"
		"Shared_Hugetlb: 5 kB\nPrivate_Hugetlb: 6 kB\nSwap: 7 kB\nSwapPss: 9 kB\n" FLAGS;
	struct vma_set set = {};

	assert_int_equal(parse_text(SMAPS_FULL, old, &set), 0);
	assert_int_equal(set.vmas->kinds.bytes[PAGES_HUGETLB], 11 * 1024);
	assert_int_equal(set.vmas->kinds.bytes[PAGES_ANON_HUGE], 3 * 1024);
	assert_true(set.vmas->kinds.bytes[PAGES_LAZYFREE] == UNKNOWN_BYTES);
	assert_true(set.vmas->kinds.bytes[PAGES_KSM] == UNKNOWN_BYTES);
	vma_set__free(&set);
	assert_int_equal(parse_text(SMAPS_MAPS, HEADER, &set), 0);
	assert_true(set.vmas->kinds.bytes[PAGES_HUGETLB] == UNKNOWN_BYTES);
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

/* One record whose Rss is written in the columns that the kernel uses, or beyond them. */
static int parse_rss(const char *columns, size_t piece, uint64_t *ret)
{
	_cleanup_buf_ struct buf text = {};
	struct vma_set set = {};
	int err;

	buf__printf(&text, "%s%s%-16s", HEADER, FIELDS_BEFORE_RSS, "Rss:");
	buf__printf(&text, "%s kB\n%s%s", columns, FIELDS_AFTER_RSS, FLAGS);
	err = parse(SMAPS_FULL, text.data, text.len, piece, &set);
	*ret = err ? 0 : set.vmas[0].rss / 1024;
	vma_set__free(&set);
	return err;
}

/* Read whole, amounts are read all columns at once; in pieces of a byte, they are not. */
static void amounts_in_columns(void **state)
{
	static const struct {
		const char *columns;
		uint64_t rss; /* BAD: refused */
	} cases[] = {
#define BAD UINT64_MAX
		{"       0", 0},	{"       4", 4},	  {"99999999", 99999999},
		{"12345678", 12345678}, {" 2345678", 2345678},	  {"      78", 78},
		{"00000042", 42},	{"123456789", 123456789}, {"         1", 1},
		{"        ", BAD},	{"1 345678", BAD},	  {"     78 ", BAD},
		{"     -78", BAD},	{"\t     78", BAD},	  {"     7:8", BAD},
		{"     7/8", BAD},
#undef BAD
	};
	char columns[9] = "     678";
	uint64_t whole, pieces;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool bad = cases[i].rss == UINT64_MAX;

		assert_int_equal(parse_rss(cases[i].columns, SIZE_MAX / 2, &whole),
				 bad ? -EBADMSG : 0);
		if (!bad)
			assert_int_equal(whole, cases[i].rss);
	}
	for (size_t at = 0; at < 8; at++) {
		char before = columns[at];

		for (int c = 1; c < 256; c++) {
			columns[at] = c;
			assert_int_equal(parse_rss(columns, SIZE_MAX / 2, &whole),
					 parse_rss(columns, 1, &pieces));
			assert_int_equal(whole, pieces);
		}
		columns[at] = before;
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
	/* Where in it the pages lie is not known; where there are none, there are none. */
	assert_true(set.vmas[1].kinds.bytes[PAGES_LAZYFREE] == UNKNOWN_BYTES);
	assert_int_equal(set.vmas[1].kinds.bytes[PAGES_FILE_HUGE], 0);
	assert_string_equal(vma_set__name(&set, &set.vmas[1]), "[anon:a]");
	assert_int_equal(set.vmas[2].start, 0xa000);
	assert_int_equal(set.vmas[2].rss, 8 * 1024);
	vma_set__free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_goes_to_its_place),
		cmocka_unit_test(kinds_that_an_older_kernel_has_not),
		cmocka_unit_test(names_and_kinds),
		cmocka_unit_test(flags_tell_huge_pages),
		cmocka_unit_test(anon_name_fits_any_buffer),
		cmocka_unit_test(bad_maps_are_refused),
		cmocka_unit_test(bad_records_are_refused),
		cmocka_unit_test(amounts_in_columns),
		cmocka_unit_test(a_zero_byte_is_refused),
		cmocka_unit_test(a_newer_kernel_does_not_stop_us),
		cmocka_unit_test(empty_text_is_an_empty_set),
		cmocka_unit_test(errors_stay_and_say_where),
		cmocka_unit_test(neighbours_share_a_name),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(torn_records_count_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
