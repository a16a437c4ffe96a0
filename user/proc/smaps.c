// SPDX-License-Identifier: BSD-2-Clause
#include "proc/smaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/vma_kind.h"
#include "util/array.h"
#include "util/cleanup.h"
#include "util/number.h"

/* Ranges are of whole pages, and no architecture has smaller ones. */
#define SMALLEST_PAGE 4096

struct smaps_parser {
	enum smaps_format format;
	struct vma_set set;
	struct buf line;   /* the beginning of a line that was fed in pieces */
	size_t line_no;	   /* from 1 */
	size_t next_field; /* where in fields[] to look first */
	uint32_t seen;	   /* bits of fields[] that this record has had */
	uint32_t needed;   /* the bits of those that no record may lack */
	bool open;	   /* a record has begun and its VmFlags have not come yet */
	bool cut;	   /* the name of this record was not kept in full */
	int err;
};

enum unit { UNIT_KB, UNIT_NONE };

/*
 * The fields of a record in the order of show_smap() in fs/proc/task_mmu.c, Linux 6.1 to 6.18.
 * Those without an offset are checked and passed over. A kind of page is not known where the
 * kernel has no line for it; what else we keep, every kernel has.
 */
#define NOT_KEPT     SIZE_MAX
#define KEPT(member) offsetof(struct vma, member)
#define KIND(kind)   offsetof(struct vma, kinds.bytes[kind])

/* It pads names with their colon to 16 columns, and amounts to 8 (SEQ_PUT_DEC there). */
#define LABEL_LEN  16
#define AMOUNT_LEN 8
#define USUAL_LEN  (LABEL_LEN + AMOUNT_LEN + sizeof(" kB\n") - 1)

static const struct field {
	char label[LABEL_LEN + 1];
	size_t offset;
	enum unit unit;
} fields[] = {
	{"Size:           ", NOT_KEPT, UNIT_KB},
	{"KernelPageSize: ", NOT_KEPT, UNIT_KB},
	{"MMUPageSize:    ", NOT_KEPT, UNIT_KB},
	{"Rss:            ", KEPT(rss), UNIT_KB},
	{"Pss:            ", KEPT(pss), UNIT_KB},
	{"Pss_Dirty:      ", NOT_KEPT, UNIT_KB}, /* 6.0 */
	{"Shared_Clean:   ", KEPT(shared_clean), UNIT_KB},
	{"Shared_Dirty:   ", KEPT(shared_dirty), UNIT_KB},
	{"Private_Clean:  ", KEPT(private_clean), UNIT_KB},
	{"Private_Dirty:  ", KEPT(private_dirty), UNIT_KB},
	{"Referenced:     ", NOT_KEPT, UNIT_KB},
	{"Anonymous:      ", NOT_KEPT, UNIT_KB},
	{"KSM:            ", KIND(PAGES_KSM), UNIT_KB}, /* 6.8 */
	{"LazyFree:       ", KIND(PAGES_LAZYFREE), UNIT_KB},
	{"AnonHugePages:  ", KIND(PAGES_ANON_HUGE), UNIT_KB},
	{"ShmemPmdMapped: ", KIND(PAGES_SHMEM_HUGE), UNIT_KB},
	{"FilePmdMapped:  ", KIND(PAGES_FILE_HUGE), UNIT_KB},
	{"Shared_Hugetlb: ", KEPT(shared_hugetlb), UNIT_KB},
	{"Private_Hugetlb:", KEPT(private_hugetlb), UNIT_KB},
	{"Swap:           ", KEPT(swap), UNIT_KB},
	{"SwapPss:        ", KEPT(swap_pss), UNIT_KB},
	{"Locked:         ", NOT_KEPT, UNIT_KB},
	{"THPeligible:    ", NOT_KEPT, UNIT_NONE},
	{"ProtectionKey:  ", NOT_KEPT, UNIT_NONE},
};

_Static_assert(ARRAY_SIZE(fields) <= 32, "seen has a bit for each");

static bool field__is_kind(const struct field *field)
{
	return field->offset >= KIND(0) && field->offset < KIND(PAGE_KINDS);
}

static const struct {
	char code[3];
	enum vma_flag flag;
} vm_flags[] = {
	{"gd", VMA_GROWS_DOWN}, {"ht", VMA_HUGE_TLB}, {"sh", VMA_SHARED},
	{"io", VMA_IO},		{"pf", VMA_IO},
};

struct smaps_parser *smaps_parser__new(enum smaps_format format)
{
	struct smaps_parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return NULL;
	parser->format = format;
	parser->line_no = 1;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].offset != NOT_KEPT && !field__is_kind(&fields[i]))
			parser->needed |= 1u << i;
	}
	return parser;
}

void smaps_parser__free(struct smaps_parser *parser)
{
	if (!parser)
		return;
	vma_set__free(&parser->set);
	buf__free(&parser->line);
	free(parser);
}

void smaps_parser__freep(struct smaps_parser **parser)
{
	smaps_parser__free(*parser);
}

size_t smaps_parser__line(const struct smaps_parser *parser)
{
	return parser->line_no;
}

/* --- headers ------------------------------------------------------------------------------- */

static bool skip_char(const char **pos, const char *end, char c)
{
	if (*pos == end || **pos != c)
		return false;
	++*pos;
	return true;
}

/* One more than the value of a digit; 0: it is none. */
static const uint8_t hex_digits[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* As the kernel writes them: no capitals, no more digits than 64 bits have. */
static bool scan_hex(const char **pos, const char *end, uint64_t *ret)
{
	const char *p = *pos, *last = end - p < 16 ? end : p + 16;
	uint64_t value = 0;
	uint8_t digit;

	for (; p < last && (digit = hex_digits[(uint8_t)*p]); p++)
		value = value << 4 | (digit - 1);
	if (p == *pos || (p < end && hex_digits[(uint8_t)*p]))
		return false;
	*pos = p;
	*ret = value;
	return true;
}

static bool scan_u32(const char **pos, const char *end, uint32_t *ret)
{
	uint64_t value;

	if (!scan_hex(pos, end, &value) || value > UINT32_MAX)
		return false;
	*ret = value;
	return true;
}

static bool scan_perms(const char **pos, const char *end, char perms[5])
{
	static const char *const allowed[] = {"r-", "w-", "x-", "ps"};

	if (end - *pos < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = (*pos)[i];

		if (c != allowed[i][0] && c != allowed[i][1])
			return false;
		perms[i] = c;
	}
	perms[4] = '\0';
	*pos += 4;
	return true;
}

/* "START-END PERMS OFFSET MAJOR:MINOR INODE ", then spaces and the name, if there is one. */
static bool scan_header(const char **pos, const char *end, struct vma *vma)
{
	return scan_hex(pos, end, &vma->start) && skip_char(pos, end, '-') &&
	       scan_hex(pos, end, &vma->end) && skip_char(pos, end, ' ') &&
	       scan_perms(pos, end, vma->perms) && skip_char(pos, end, ' ') &&
	       scan_hex(pos, end, &vma->offset) && skip_char(pos, end, ' ') &&
	       scan_u32(pos, end, &vma->major) && skip_char(pos, end, ':') &&
	       scan_u32(pos, end, &vma->minor) && skip_char(pos, end, ' ') &&
	       !number__scan(pos, end, 10, &vma->inode) && skip_char(pos, end, ' ');
}

/*
 * Appends the name with each "\012" made a newline again. A path that has these four characters
 * itself cannot be told from one with a newline: the kernel does not escape the backslash.
 */
static void names__add(struct buf *names, const char *name, size_t len)
{
	static const char newline[] = "\\012";
	const char *end = name + len, *hit;

	while ((hit = memmem(name, end - name, newline, strlen(newline)))) {
		buf__add(names, name, hit - name);
		buf__add(names, "\n", 1);
		name = hit + strlen(newline);
	}
	buf__add(names, name, end - name);
	buf__add(names, "", 1);
}

/* Neighbours often have the same name (the parts of a library): it is kept once. */
static int smaps_parser__add_name(struct smaps_parser *parser, struct vma *vma, const char *name,
				  size_t len)
{
	struct vma_set *set = &parser->set;
	struct buf *names = &set->names;
	size_t at;

	if (!names->len)
		buf__add(names, "", 1);
	if (len > SMAPS_NAME_MAX) {
		len = SMAPS_NAME_MAX;
		parser->cut = true;
	}
	if (len && names->len + len > SMAPS_NAMES_MAX) {
		len = 0;
		parser->cut = true;
	}
	set->names_cut += parser->cut;
	vma->name = 0;
	if (!len)
		return buf__error(names);
	at = names->len;
	names__add(names, name, len);
	if (buf__error(names))
		return -ENOMEM;
	vma->name = at;
	if (set->n) {
		uint32_t before = set->vmas[set->n - 1].name;

		if (before && !strcmp(names->data + before, names->data + at)) {
			names->len = at;
			vma->name = before;
		}
	}
	return 0;
}

static int vma_set__add(struct vma_set *set, const struct vma *vma)
{
	if (set->n == SMAPS_MAX_VMAS)
		return -E2BIG;
	if (array__grow(&set->vmas, &set->cap, set->n, sizeof(*set->vmas)))
		return -ENOMEM;
	set->vmas[set->n++] = *vma;
	return 0;
}

static void vma__sum_hugetlb(struct vma *vma)
{
	vma->kinds.bytes[PAGES_HUGETLB] = vma->shared_hugetlb + vma->private_hugetlb;
}

/* Cuts a VMA at `end`; its amounts, known only for the whole, follow by size. How much of a kind of
 * page is left is not known, unless there were none. */
static void vma__cut(struct vma *vma, uint64_t end)
{
	uint64_t whole = vma->end - vma->start, part = end - vma->start;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t amount;
		char *at;

		if (fields[i].offset == NOT_KEPT)
			continue;
		at = (char *)vma + fields[i].offset;
		memcpy(&amount, at, sizeof(amount));
		if (!field__is_kind(&fields[i]))
			amount = (unsigned __int128)amount * part / whole;
		else if (amount)
			amount = UNKNOWN_BYTES;
		memcpy(at, &amount, sizeof(amount));
	}
	vma->end = end;
	vma__sum_hugetlb(vma);
	vma->rss = vma->shared_clean + vma->shared_dirty + vma->private_clean + vma->private_dirty;
}

/*
 * Each read(2) of the file goes on behind the last VMA that was shown. When that one has been
 * merged with its neighbour meanwhile, the kernel shows the merged one, which begins before. The
 * later record is the newer truth: what it covers is taken out, so that nothing counts twice.
 */
static void vma_set__make_way(struct vma_set *set, uint64_t start)
{
	if (!set->n || set->vmas[set->n - 1].end <= start)
		return;
	set->torn++;
	while (set->n && set->vmas[set->n - 1].start >= start)
		set->n--;
	if (set->n && set->vmas[set->n - 1].end > start)
		vma__cut(&set->vmas[set->n - 1], start);
}

static int smaps_parser__header(struct smaps_parser *parser, const char *line, size_t len)
{
	struct vma_set *set = &parser->set;
	const char *pos = line, *end = line + len;
	struct vma vma = {.kinds = page_kinds_unknown};
	int err;

	/* Names are kept NUL-terminated; the kernel never writes one. */
	if (parser->open || !scan_header(&pos, end, &vma) || memchr(pos, '\0', end - pos))
		return -EBADMSG;
	if (vma.start >= vma.end || (vma.start | vma.end) % SMALLEST_PAGE ||
	    (set->n && vma.end <= set->vmas[set->n - 1].end))
		return -EBADMSG;
	vma_set__make_way(set, vma.start);
	while (pos < end && *pos == ' ')
		pos++;
	if (vma.perms[3] == 's')
		vma.flags |= VMA_SHARED;
	vma.kind = vma_kind__of(&vma, pos, end - pos);

	err = smaps_parser__add_name(parser, &vma, pos, end - pos);
	if (err)
		return err;
	err = vma_set__add(set, &vma);
	if (err)
		return err;
	parser->open = parser->format == SMAPS_FULL;
	parser->seen = 0;
	parser->next_field = 0;
	return 0;
}

/* --- fields -------------------------------------------------------------------------------- */

/* "rd wr mr mw me ac ": two letters and a space each; a kernel may have flags we do not know. */
static int smaps_parser__vm_flags(struct smaps_parser *parser, const char *pos, const char *end)
{
	struct vma *vma = &parser->set.vmas[parser->set.n - 1];

	/* A missing field would be a zero that the kernel never counted. */
	if ((parser->seen & parser->needed) != parser->needed || memchr(pos, '\0', end - pos))
		return -EBADMSG;
	for (;;) {
		while (pos < end && *pos == ' ')
			pos++;
		if (pos == end)
			break;
		if (end - pos < 2 || pos[1] == ' ' || (end - pos > 2 && pos[2] != ' '))
			return -EBADMSG;
		for (size_t i = 0; i < ARRAY_SIZE(vm_flags); i++) {
			if (pos[0] == vm_flags[i].code[0] && pos[1] == vm_flags[i].code[1])
				vma->flags |= vm_flags[i].flag;
		}
		pos += 2;
	}
	/* Huge pages of a memfd, of System V and of a file in hugetlbfs have those names. */
	if (vma->flags & VMA_HUGE_TLB)
		vma->kind = VMA_HUGETLB;
	vma__sum_hugetlb(vma);
	parser->open = false;
	return 0;
}

/* Amounts are right-aligned: spaces come by the dozen. */
static const char *skip_spaces(const char *pos, const char *end)
{
	static const char many[] = "        ";

	while (end - pos >= (ptrdiff_t)strlen(many) && !memcmp(pos, many, strlen(many)))
		pos += strlen(many);
	while (pos < end && *pos == ' ')
		pos++;
	return pos;
}

static int scan_amount(const char *pos, const char *end, enum unit unit, uint64_t *ret)
{
	pos = skip_spaces(pos, end);
	if (number__scan(&pos, end, 10, ret))
		return -EBADMSG;
	if (unit == UNIT_NONE)
		return pos == end ? 0 : -EBADMSG;
	if (end - pos != 3 || memcmp(pos, " kB", 3) || __builtin_mul_overflow(*ret, 1024, ret))
		return -EBADMSG;
	return 0;
}

/* Its name with the colon. */
static size_t name_len(const struct field *field)
{
	return (const char *)memchr(field->label, ':', LABEL_LEN) + 1 - field->label;
}

static bool field__begins(const struct field *field, const char *line, size_t len)
{
	size_t name = name_len(field);

	return name <= len && !memcmp(line, field->label, name);
}

/* Fields come in the order of the table, so the first look nearly always finds. */
static const struct field *smaps_parser__find_field(struct smaps_parser *parser, const char *line,
						    size_t len)
{
	const struct field *end = fields + ARRAY_SIZE(fields);
	const struct field *field = fields + parser->next_field;

	if (field == end || !field__begins(field, line, len)) {
		field = fields;
		while (field < end && !field__begins(field, line, len))
			field++;
		if (field == end)
			return NULL;
	}
	parser->next_field = field - fields + 1;
	return field;
}

static bool is_field_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* What we do not know is passed over, but must look like a field. */
static int check_unknown_field(const char *line, size_t len)
{
	const char *pos = line, *end = line + len;

	while (pos < end && is_field_char(*pos))
		pos++;
	return skip_char(&pos, end, ':') && !memchr(pos, '\0', end - pos) ? 0 : -EBADMSG;
}

/* Each field once in a record. */
static int smaps_parser__keep(struct smaps_parser *parser, const struct field *field,
			      uint64_t amount)
{
	uint32_t bit = 1u << (field - fields);

	if (!parser->open || parser->seen & bit)
		return -EBADMSG;
	parser->seen |= bit;
	if (field->offset != NOT_KEPT)
		memcpy((char *)&parser->set.vmas[parser->set.n - 1] + field->offset, &amount,
		       sizeof(amount));
	return 0;
}

static int smaps_parser__field(struct smaps_parser *parser, const char *line, size_t len)
{
	static const char flags[] = "VmFlags:";
	const struct field *field;
	uint64_t amount;
	int err;

	if (parser->format != SMAPS_FULL || !parser->set.n)
		return -EBADMSG;
	if (len >= strlen(flags) && !memcmp(line, flags, strlen(flags)))
		return parser->open
			       ? smaps_parser__vm_flags(parser, line + strlen(flags), line + len)
			       : -EBADMSG;
	field = smaps_parser__find_field(parser, line, len);
	if (!field)
		return check_unknown_field(line, len);
	err = scan_amount(line + name_len(field), line + len, field->unit, &amount);
	return err ?: smaps_parser__keep(parser, field, amount);
}

/* Eight columns of a decimal number that spaces fill up; all at once, because a large process has
 * a million of them. */
static bool scan_columns(const char *columns, uint64_t *ret)
{
	const uint64_t bytes = 0x0101010101010101;
	uint64_t word, digits, blank;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "the first column is the lowest byte");
	memcpy(&word, columns, AMOUNT_LEN);
	/* A digit has the bit 0x10, and a space has not. */
	if (!(word & 0x10 * bytes))
		return false;
	blank = (1ULL << (__builtin_ctzll(word & 0x10 * bytes) & ~7)) - 1;
	digits = (word ^ '0' * bytes) & ~blank;
	if (((word ^ ' ' * bytes) & blank) || ((digits + 0x76 * bytes) | digits) & 0x80 * bytes)
		return false;
	/* Neighbours are joined to numbers of two digits, these to four, these to eight. */
	digits = digits * 10 + (digits >> 8);
	digits = (digits & 0x00ff00ff00ff00ff) * 100 + ((digits >> 16) & 0x00ff00ff00ff00ff);
	*ret = (digits & 0xffff) * 10000 + ((digits >> 32) & 0xffff);
	return true;
}

/* The line that comes next in nearly all records, as it looks in nearly all of them: its length,
 * with the newline. 0: it is another one, for smaps_parser__field(). */
static size_t smaps_parser__usual_field(struct smaps_parser *parser, const char *line, size_t len)
{
	const struct field *field = fields + parser->next_field;
	const char *columns = line + LABEL_LEN, *tail = columns + AMOUNT_LEN;
	uint64_t amount;

	if (field == fields + ARRAY_SIZE(fields) || len < USUAL_LEN ||
	    memcmp(line, field->label, LABEL_LEN) != 0 || !scan_columns(columns, &amount))
		return 0;
	if (field->unit == UNIT_KB) {
		if (memcmp(tail, " kB", 3) != 0)
			return 0;
		amount *= 1024;
		tail += 3;
	}
	if (*tail++ != '\n' || smaps_parser__keep(parser, field, amount))
		return 0;
	parser->next_field++;
	parser->line_no++;
	return tail - line;
}

/* --- lines --------------------------------------------------------------------------------- */

static int smaps_parser__line_done(struct smaps_parser *parser, const char *line, size_t len)
{
	int err;

	parser->cut = len > SMAPS_LINE_MAX;
	if (parser->cut)
		len = SMAPS_LINE_MAX;
	if (!len)
		return -EBADMSG;
	if (*line >= 'A' && *line <= 'Z')
		err = smaps_parser__field(parser, line, len);
	else
		err = smaps_parser__header(parser, line, len);
	if (!err)
		parser->line_no++;
	return err;
}

/* One byte more than a line may have is kept, by which line_done sees that it was longer. */
static int smaps_parser__carry(struct smaps_parser *parser, const char *text, size_t len)
{
	size_t room = SMAPS_LINE_MAX + 1 - parser->line.len;

	buf__add(&parser->line, text, len < room ? len : room);
	return buf__error(&parser->line);
}

int smaps_parser__feed(struct smaps_parser *parser, const char *text, size_t len)
{
	const char *end = text + len, *newline;
	size_t usual;

	while (!parser->err && text < end) {
		while (!parser->line.len && parser->open &&
		       (usual = smaps_parser__usual_field(parser, text, end - text)))
			text += usual;
		newline = memchr(text, '\n', end - text);
		if (!newline) {
			parser->err = smaps_parser__carry(parser, text, end - text);
			break;
		}
		if (parser->line.len) {
			parser->err = smaps_parser__carry(parser, text, newline - text);
			if (!parser->err)
				parser->err = smaps_parser__line_done(parser, parser->line.data,
								      parser->line.len);
			parser->line.len = 0;
		} else {
			parser->err = smaps_parser__line_done(parser, text, newline - text);
		}
		text = newline + 1;
	}
	return parser->err;
}

int smaps_parser__finish(struct smaps_parser *parser, struct vma_set *ret)
{
	if (parser->err)
		return parser->err;
	if (parser->open || parser->line.len)
		return -EBADMSG;
	*ret = parser->set;
	memset(&parser->set, 0, sizeof(parser->set));
	return 0;
}
