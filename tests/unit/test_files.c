// SPDX-License-Identifier: BSD-2-Clause
/* What mapped files are: user/proc/elf.c, files.c. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "proc/files.h"
#include "proc/procfs.h"
#include "proc/vmas.h"
#include "util/cleanup.h"

/* A 64-bit object with one segment of notes, which begins right behind the headers. */
struct object {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	unsigned char notes[64];
};

#define GO_NOTE "\4\0\0\0\4\0\0\0\4\0\0\0Go\0\0abcd"

static struct object object__of(const void *notes, size_t len)
{
	struct object object = {
		.header =
			{
				.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
					    EV_CURRENT},
				.e_type = ET_DYN,
				.e_phoff = offsetof(struct object, segment),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 1,
			},
		.segment =
			{
				.p_type = PT_NOTE,
				.p_offset = offsetof(struct object, notes),
				.p_filesz = len,
				.p_align = 4,
			},
	};

	memcpy(object.notes, notes, len);
	return object;
}

static void notes_of_all_kinds(void **state)
{
	static const struct {
		const char *notes;
		size_t len;
		enum file_is is;
	} cases[] = {
#define NOTES(text) text, sizeof(text) - 1
		{NOTES(GO_NOTE), FILE_IS_GO},
		{NOTES("\4\0\0\0\0\0\0\0\4\0\0\0Go\0\0"), FILE_IS_GO},
		/* Behind others, whose sizes are padded. */
		{NOTES("\4\0\0\0\5\0\0\0\3\0\0\0GNU\0abcde\0\0\0" GO_NOTE), FILE_IS_GO},
		{NOTES("\3\0\0\0\0\0\0\0\3\0\0\0XY\0\0" GO_NOTE), FILE_IS_GO},
		/* Other types, other names, cut, or with sizes that lead away. */
		{NOTES("\4\0\0\0\4\0\0\0\3\0\0\0Go\0\0abcd"), FILE_IS_ELF},
		{NOTES("\4\0\0\0\4\0\0\0\4\0\0\0GNU\0abcd"), FILE_IS_ELF},
		{NOTES("\3\0\0\0\4\0\0\0\4\0\0\0Go\0\0abcd"), FILE_IS_ELF},
		{NOTES("\4\0\0\0\4\0\0\0\4\0\0\0Go\0"), FILE_IS_ELF},
		{NOTES("\4\0\0\0\4\0\0\0\4\0\0"), FILE_IS_ELF},
		{NOTES(""), FILE_IS_ELF},
		{NOTES("\xff\xff\xff\xff\xff\xff\xff\xff\3\0\0\0" GO_NOTE), FILE_IS_ELF},
		{NOTES("\4\0\0\0\xfd\xff\xff\xff\3\0\0\0GNU\0" GO_NOTE), FILE_IS_ELF},
#undef NOTES
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct object object = object__of(cases[i].notes, cases[i].len);

		if (file__classify(&object, sizeof(object)) != cases[i].is)
			fail_msg("case %zu", i);
	}
}

static void headers_that_lie(void **state)
{
	struct object good = object__of(GO_NOTE, sizeof(GO_NOTE) - 1), bad;

	/* At every length: never more than was read, and Go as soon as its note is there. */
	for (size_t len = 0; len <= sizeof(good); len++) {
		_cleanup_free_ char *exact = malloc(len ? len : 1);
		enum file_is is;

		memcpy(exact, &good, len);
		is = file__classify(exact, len);
		if (len < offsetof(Elf64_Ehdr, e_machine))
			assert_int_equal(is, FILE_IS_DATA);
		else if (len < offsetof(struct object, notes) + 16)
			assert_int_equal(is, FILE_IS_ELF);
		else
			assert_int_equal(is, FILE_IS_GO);
	}
#define WITH(field, value, expected)                                                               \
	bad = good;                                                                                \
	bad.field = value;                                                                         \
	assert_int_equal(file__classify(&bad, sizeof(bad)), expected)
	WITH(header.e_ident[0], 'x', FILE_IS_DATA);
	WITH(header.e_ident[EI_CLASS], 3, FILE_IS_DATA);
	WITH(header.e_ident[EI_DATA], 0, FILE_IS_DATA);
	WITH(header.e_type, ET_CORE, FILE_IS_DATA);
	WITH(header.e_type, ET_REL, FILE_IS_DATA);
	WITH(header.e_type, ET_EXEC, FILE_IS_GO);
	WITH(header.e_phoff, UINT64_MAX, FILE_IS_ELF);
	WITH(header.e_phoff, UINT64_MAX - 8, FILE_IS_ELF);
	WITH(header.e_phentsize, 0, FILE_IS_ELF);
	WITH(header.e_phentsize, sizeof(Elf64_Phdr) - 1, FILE_IS_ELF);
	WITH(header.e_phnum, 0, FILE_IS_ELF);
	WITH(header.e_phnum, 0xffff, FILE_IS_GO);
	WITH(segment.p_type, PT_LOAD, FILE_IS_ELF);
	WITH(segment.p_offset, UINT64_MAX, FILE_IS_ELF);
	WITH(segment.p_filesz, UINT64_MAX, FILE_IS_GO);
	WITH(segment.p_filesz, 8, FILE_IS_ELF);
	WITH(segment.p_align, 0, FILE_IS_GO);
#undef WITH
	/* The first note's size leads to one behind the segment's end. */
	bad = object__of("\4\0\0\0\5\0\0\0\3\0\0\0GNU\0abcde\0\0\0" GO_NOTE, 44);
	assert_int_equal(file__classify(&bad, sizeof(bad)), FILE_IS_GO);
	bad.segment.p_filesz = 20;
	assert_int_equal(file__classify(&bad, sizeof(bad)), FILE_IS_ELF);
}

static void the_other_word_size_and_byte_order(void **state)
{
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr segment;
		unsigned char notes[20];
	} object = {
		.header =
			{
				.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2MSB,
					    EV_CURRENT},
				.e_type = __builtin_bswap16(ET_EXEC),
				.e_phoff = __builtin_bswap32(sizeof(Elf32_Ehdr)),
				.e_phentsize = __builtin_bswap16(sizeof(Elf32_Phdr)),
				.e_phnum = __builtin_bswap16(1),
			},
		.segment =
			{
				.p_type = __builtin_bswap32(PT_NOTE),
				.p_offset =
					__builtin_bswap32(sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr)),
				.p_filesz = __builtin_bswap32(20),
			},
		.notes = "\0\0\0\4\0\0\0\4\0\0\0\4Go\0\0abc",
	};

	assert_int_equal(file__classify(&object, sizeof(object)), FILE_IS_GO);
	object.notes[3] = 3;
	assert_int_equal(file__classify(&object, sizeof(object)), FILE_IS_ELF);
}

/* Maps files of known contents and asks for each; in a child, so that it may drop its rights. */
/* With the mounts of now. */
static enum file_is look(struct file_cache *cache, int pidfd, const struct vma_set *set,
			 const struct vma *vma)
{
	_cleanup_(mounts__free) struct mounts mounts = {};

	return file_cache__look(cache, pidfd, &mounts, set, vma);
}

static int look_at_files(const char *dir)
{
	static const struct {
		const char *name;
		enum file_is is;
	} cases[] = {
		{"go", FILE_IS_GO},
		{"elf with spaces ", FILE_IS_ELF},
		{"text", FILE_IS_DATA},
		{"empty", FILE_IS_DATA},
	};
	struct object go = object__of(GO_NOTE, sizeof(GO_NOTE) - 1), elf = object__of("", 0);
	struct file_cache *cache = file_cache__new();
	int pidfd = procfs__open("/proc", getpid()), wrong = 0;
	struct vma_set set = {};
	void *at[ARRAY_SIZE(cases)];
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return 100;
		if (cases[i].is == FILE_IS_GO)
			wrong += write(fd, &go, sizeof(go)) != sizeof(go);
		else if (cases[i].is == FILE_IS_ELF)
			wrong += write(fd, &elf, sizeof(elf)) != sizeof(elf);
		else if (cases[i].name[0] == 't')
			wrong += write(fd, "text", 4) != 4;
		at[i] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		close(fd);
	}
	if (procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set))
		return 101;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vma *vma = vma_set__find(&set, (uintptr_t)at[i]);

		wrong += look(cache, pidfd, &set, vma) != cases[i].is;
		/* The answer is kept: the file need not be there any more. */
		wrong += look(cache, -1, &set, vma) != cases[i].is;
		snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
		unlink(path);
	}
	for (size_t i = 0; i < set.n; i++) {
		const struct vma *vma = &set.vmas[i];

		if (vma->kind == VMA_HEAP || vma->kind == VMA_STACK || vma->kind == VMA_KERNEL)
			wrong += look(cache, pidfd, &set, vma) != FILE_IS_DATA;
		if (strstr(vma_set__name(&set, vma), "libcmocka"))
			wrong += look(cache, pidfd, &set, vma) != FILE_IS_ELF;
	}
	vma_set__free(&set);
	file_cache__free(cache);
	close(pidfd);
	return wrong;
}

static void run_child(int (*child)(const char *dir), bool drop)
{
	char dir[] = "/tmp/memprov-files-XXXXXX";
	int status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0777), 0);
	pid = fork();
	if (!pid) {
		if (drop && (setgid(65534) || setuid(65534)))
			_exit(102);
		/* Or our own /proc would be root's. */
		prctl(PR_SET_DUMPABLE, 1);
		_exit(child(dir));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir(dir), 0);
}

static void files_by_what_is_mapped(void **state)
{
	run_child(look_at_files, false);
}

/* Without rights map_files refuses, and names are followed. */
static void files_by_name(void **state)
{
	run_child(look_at_files, geteuid() == 0);
}

/* The name leads to another file now: nothing may be said of the one that is mapped. */
static int look_at_replaced(const char *dir)
{
	struct object elf = object__of("", 0);
	struct file_cache *cache = file_cache__new();
	int pidfd = procfs__open("/proc", getpid()), fd, wrong = 0;
	struct vma_set set = {};
	char path[256], other[256];
	const struct vma *vma;
	void *at;

	snprintf(path, sizeof(path), "%s/a", dir);
	snprintf(other, sizeof(other), "%s/b", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	wrong += write(fd, "text", 4) != 4;
	at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	wrong += procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set) != 0;
	fd = open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	wrong += write(fd, &elf, sizeof(elf)) != sizeof(elf);
	close(fd);
	wrong += rename(other, path) != 0;
	vma = vma_set__find(&set, (uintptr_t)at);
	wrong += look(cache, pidfd, &set, vma) != FILE_IS_UNKNOWN;
	/* Nor is that kept. */
	wrong += unlink(path) != 0 || symlink("/proc/self/exe", path) != 0;
	wrong += look(cache, pidfd, &set, vma) != FILE_IS_UNKNOWN;
	wrong += unlink(path) != 0 || mkfifo(path, 0600) != 0;
	wrong += look(cache, pidfd, &set, vma) != FILE_IS_UNKNOWN;
	unlink(path);
	vma_set__free(&set);
	file_cache__free(cache);
	close(pidfd);
	return wrong;
}

static void a_name_that_leads_elsewhere(void **state)
{
	if (geteuid() == 0)
		run_child(look_at_replaced, true);
}

/* More files than the cache holds: bounded, and the answers stay right. */
static void the_cache_is_bounded(void **state)
{
	struct file_cache *cache = file_cache__new();
	int pidfd = procfs__open("/proc", getpid());
	struct vma_set set = {};
	const struct vma *vma;
	struct vma other;

	assert_int_equal(procfs__vmas(pidfd, SMAPS_MAPS, NULL, &set), 0);
	vma = vma_set__find(&set, (uintptr_t)the_cache_is_bounded);
	assert_non_null(vma);
	if (look(cache, pidfd, &set, vma) != FILE_IS_UNKNOWN) {
		/* Only the range is looked at, so that these are as many files. */
		for (int i = 0; i < 5000; i++) {
			other = *vma;
			other.inode = 1000000000 + i;
			assert_int_equal(look(cache, pidfd, &set, &other),
					 geteuid() ? FILE_IS_UNKNOWN : FILE_IS_ELF);
		}
		/* The oldest went, the newest is known without asking. */
		assert_int_equal(look(cache, -1, &set, vma),
				 geteuid() ? FILE_IS_ELF : FILE_IS_UNKNOWN);
		assert_int_equal(look(cache, -1, &set, &other),
				 geteuid() ? FILE_IS_UNKNOWN : FILE_IS_ELF);
	}
	vma_set__free(&set);
	file_cache__free(cache);
	file_cache__free(NULL);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_of_all_kinds),
		cmocka_unit_test(headers_that_lie),
		cmocka_unit_test(the_other_word_size_and_byte_order),
		cmocka_unit_test(files_by_what_is_mapped),
		cmocka_unit_test(files_by_name),
		cmocka_unit_test(a_name_that_leads_elsewhere),
		cmocka_unit_test(the_cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
