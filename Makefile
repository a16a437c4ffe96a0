# SPDX-License-Identifier: BSD-2-Clause
# memprov. `make help` lists the targets; `sudo make run` and `sudo make test` do everything.

VERSION := $(shell cat VERSION)
PREFIX  ?= /usr/local
DESTDIR ?=
LISTEN  ?= 127.0.0.1:6060

# For another architecture: make CROSS=aarch64-linux-gnu, with its libraries below SYSROOT if they are not among
# this machine's own (tests/vm/sysroot arm64 makes such a directory).
CROSS   ?=
SYSROOT ?=

# One tree of objects per kind of build, so that they never mix.
SANITIZE ?=
BUILD := build$(if $(CROSS),/$(CROSS))$(if $(SANITIZE),/asan)

ifdef CROSS
CC  := $(CROSS)-gcc
CXX := $(CROSS)-g++
AR  := $(CROSS)-ar
endif
CC      ?= gcc
CXX     ?= g++
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
ARCH    := $(shell echo $(or $(CROSS),$(shell uname -m)) | sed 's/x86_64.*/x86/; s/aarch64.*/arm64/')
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
CFLAGS  ?= -O2 -g

# Against memory errors of our own; tests/check-hardening looks for each in what was built. What this compiler, C library
# or processor does not have is left out.
takes = $(shell $(CC) $(if $(SYSROOT),--sysroot=$(SYSROOT)) $(CFLAGS) -Werror $(1) -include stdio.h -x c -c \
	-o /dev/null /dev/null 2>/dev/null && echo '$(1)')
OPTIMIZED := $(filter-out -O0,$(filter -O%,$(CFLAGS)))
# Not with AddressSanitizer, which does not know the checking variants of memcpy and its kind.
FORTIFY := $(if $(SANITIZE),,$(if $(OPTIMIZED),$(or $(call takes,-D_FORTIFY_SOURCE=3),-D_FORTIFY_SOURCE=2)))
HARDENED := -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE $(FORTIFY) \
	$(call takes,-fstack-clash-protection) $(call takes,-fcf-protection=full) \
	$(call takes,-mbranch-protection=standard)
HARDENED_LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack

CFLAGS_ALL := -std=gnu17 -D_GNU_SOURCE -DMEMPROV_VERSION='"$(VERSION)"' -I user -I include \
	-I $(BUILD) -pthread -fno-strict-aliasing $(WARN) $(if $(DEVELOPER),-Werror) $(HARDENED) \
	$(if $(SANITIZE),-fsanitize=address -fsanitize=undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer) \
	$(if $(SYSROOT),--sysroot=$(SYSROOT)) $(CFLAGS)
LIBS    := -lmicrohttpd -lgnutls -lbpf -ldw -lelf -lz -liberty -lseccomp -lcap-ng -lprotobuf-c \
	-ljansson -lncursesw -lsqlite3 -lm -pthread

# A fresh machine has no locale, and compilers then take sources for ASCII.
export LC_ALL := C.UTF-8

Q := $(if $(V),,@)
say = $(if $(V),@true,@printf '  %-7s %s\n' $(1) $(2))

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all: $(BUILD)/memprov ## build the program (build/memprov)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | \
		awk -F: '{printf "  %-12s %s\n", $$1, $$2}'

# --- what the machine needs -------------------------------------------------------------------

# Which lines of ./packages: classes, with | between them. A target that needs some calls for them in its recipe. A
# variable of the target's own would be wrong: one run of deps would have to do for all targets of a command.
DEPS_FOR ?= build
PACKAGES = $(sort $(shell sed -nE 's/^($(DEPS_FOR)) +//p' packages))
needs = +@$(MAKE) --no-print-directory deps DEPS_FOR='$(1)'

.PHONY: deps
deps: ## install what is missing of the packages in ./packages
	@missing=; for p in $(PACKAGES); do for name in $$(echo $$p | tr / ' '); do \
		dpkg-query -W -f='$${Status}' "$$name" 2>/dev/null | grep -q '^install ok installed' && \
		continue 2; done; missing="$$missing $${p%%/*}"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

# --- BPF --------------------------------------------------------------------------------------

BPF_HEADERS := $(wildcard bpf/*.h include/*.h)
BPF_FLAGS := -g -O2 -Wall -Werror -mcpu=v3 -target bpf -I bpf

$(BUILD)/%.bpf.o: bpf/memprov.bpf.c $(BPF_HEADERS)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -D__TARGET_ARCH_$* -c $< -o $@

$(BUILD)/memprov.skel.h: $(BUILD)/$(ARCH).bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name memprov_bpf > $@

# --- the program ------------------------------------------------------------------------------

SOURCES := $(wildcard user/*.c user/*/*.c)
GENERATED := $(BUILD)/memprov.skel.h $(BUILD)/profile.pb-c.h $(BUILD)/web_assets.h
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/profile.pb-c.o
# Everything but main: what unit tests and fuzz targets link with.
LIBRARY := $(BUILD)/libmemprov.a

# The pages as C; what they are made from is kept in user/web.
$(BUILD)/web_assets.h: web/embed $(wildcard user/web/*.html user/web/*.csp)
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)web/embed > $@

.PHONY: web
web: ## make the pages in user/web anew, after a change in web/src
	$(call needs,web)
	web/build

# The profile format of pprof. One run of protoc-c makes both files.
$(BUILD)/profile.pb-c.h: user/report/profile.proto
	$(call say,PROTO,$<)
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(@D) $(<F)

$(BUILD)/profile.pb-c.c: $(BUILD)/profile.pb-c.h ;

$(BUILD)/profile.pb-c.o: $(BUILD)/profile.pb-c.c Makefile VERSION
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# Its flags are in these two.
$(BUILD)/%.o: %.c Makefile VERSION | $(GENERATED)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(LIBRARY): $(filter-out $(BUILD)/user/main.o,$(OBJECTS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/memprov: $(BUILD)/user/main.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(HARDENED_LINK) $(LDFLAGS) $^ $(LIBS) -o $@

-include $(OBJECTS:.o=.d) $(wildcard $(BUILD)/tests/*/*.d)

.PHONY: run
run: ## install what is missing, build, start the daemon in the foreground
	$(call needs,build)
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@exec ./build/memprov serve --listen $(LISTEN)

# --- tests ------------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ_REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
# Never sanitized.
TARGETS := build$(if $(CROSS),/$(CROSS))/workloads
# Of a Go program there are three: NAME.go as programs are shipped, stripped, NAME.go-pie likewise but
# position-independent, and NAME.go-full. Two of them are made with a second file.
GO_KEEP := tests/workloads/keep.go
WORKLOADS := $(patsubst tests/workloads/%.c,$(TARGETS)/%,$(wildcard tests/workloads/*.c)) \
	$(patsubst tests/workloads/%.cc,$(TARGETS)/%,$(wildcard tests/workloads/*.cc)) \
	$(if $(CROSS),,$(foreach go,$(filter-out $(GO_KEEP),$(wildcard tests/workloads/*.go)),\
	$(go:tests/%=build/%) $(go:tests/%=build/%)-pie $(go:tests/%=build/%)-full)) \
	$(if $(CROSS),,$(patsubst tests/workloads/%.java,build/workloads/java/%.class,\
	$(wildcard tests/workloads/*.java)) \
	$(patsubst tests/workloads/jni/%.c,build/workloads/java/lib%.so,$(wildcard tests/workloads/jni/*.c)))

$(BUILD)/tests/test_%: $(BUILD)/tests/unit/test_%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(MORE_LINK) $(filter %.o,$^) $(LIBRARY) $(LIBS) -lcmocka -o $@

# Its calls may fail (tests/faults/plan.h): the library's, not those of other libraries.
FAULTY_CALLS := malloc calloc realloc reallocarray strdup asprintf __asprintf_chk realpath fopen opendir fdopendir \
	read pread __pread_chk write recv send recvmsg sendmsg readlink readlinkat fstat stat poll epoll_wait \
	epoll_create1 eventfd pipe2 inotify_init1 inotify_add_watch socket socketpair memfd_create fork mmap \
	process_vm_readv pthread_create open openat __openat_2 ioctl syscall
$(BUILD)/tests/test_faults: MORE_LINK := $(FAULTY_CALLS:%=-Wl,--wrap=%)
$(BUILD)/tests/test_faults: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/faults/*.c))

$(BUILD)/tests/test_deaths: MORE_LINK := -Wl,--wrap=sendmsg -Wl,--wrap=recvmsg

# The same for a whole daemon.
build/faults.so: tests/faults/calls.c tests/faults/plan.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O1 -g -DFAULTS_PRELOADED -shared -fPIC $(filter-out -Wmissing-prototypes,$(WARN)) \
		$(if $(DEVELOPER),-Werror) $< -o $@

$(BUILD)/tests/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $^ $(LIBS) -o $@

$(BUILD)/property: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/property/*.c)) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $^ $(LIBS) -lcmocka -o $@

$(BUILD)/verifier: $(BUILD)/tests/bpf/verifier.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $^ $(LIBS) -o $@

# The notifier, without a daemon around it.
$(BUILD)/notify: $(BUILD)/tests/notify/notify.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $^ $(LIBS) -o $@

# Not tests: they print what things cost.
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $^ $(LIBS) -o $@

# Callers of mmap whose frames can be followed.
$(BUILD)/tests/bench/bench_pairs.o: CFLAGS_ALL += -fno-omit-frame-pointer

# What other runtimes do, to be measured beside tracers.
build/bench/allocate: tests/bench/allocate.go
	$(call say,GO,$@)
	@mkdir -p $(@D)
	$(Q)$(GO_BUILD) -o $@ $<

build/bench/Allocate.class: tests/bench/Allocate.java
	$(call say,JAVAC,$@)
	@mkdir -p $(@D)
	$(Q)javac -d $(@D) $<

# Targets of known behaviour; never sanitized, so that they do just what they say. On arm64 their return addresses are
# signed, as in most distributions.
TARGET_FLAGS := $(if $(SYSROOT),--sysroot=$(SYSROOT)) $(if $(filter arm64,$(ARCH)),-mbranch-protection=standard)

$(TARGETS)/%: tests/workloads/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) -std=gnu17 -D_GNU_SOURCE -O1 -g $(WARN) $(if $(DEVELOPER),-Werror) -pthread \
		$< -o $@

$(TARGETS)/%: tests/workloads/%.cc
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(TARGET_FLAGS) -std=gnu++17 -O2 -g -Wall -Wextra $(if $(DEVELOPER),-Werror) -pthread $< -o $@

# Without modules and without a network.
GO_BUILD = GO111MODULE=off GOFLAGS= GOCACHE=$(CURDIR)/build/go-cache go build

build/workloads/%.go: tests/workloads/%.go
	$(call say,GO,$@)
	@mkdir -p $(@D)
	$(Q)$(GO_BUILD) -ldflags "-s -w" -o $@ $^

build/workloads/%.go-pie: tests/workloads/%.go
	$(call say,GO,$@)
	@mkdir -p $(@D)
	$(Q)$(GO_BUILD) -buildmode=pie -ldflags "-s -w" -o $@ $^

build/workloads/%.go-full: tests/workloads/%.go
	$(call say,GO,$@)
	@mkdir -p $(@D)
	$(Q)$(GO_BUILD) -o $@ $^

$(foreach go,keepers cgo_keepers,$(addprefix build/workloads/$(go),.go .go-pie .go-full)): $(GO_KEEP)

# Unsafe is no part of the language.
build/workloads/java/%.class: tests/workloads/%.java
	$(call say,JAVAC,$@)
	@mkdir -p $(@D)
	$(Q)javac -nowarn -XDignore.symbol.file -d $(@D) $<

JDK = $(patsubst %/bin/javac,%,$(realpath $(shell command -v javac)))

build/workloads/java/lib%.so: tests/workloads/jni/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -shared -fPIC -O1 -g $(filter-out -Wmissing-prototypes,$(WARN)) $(if $(DEVELOPER),-Werror) -I $(JDK)/include \
		-I $(JDK)/include/linux $< -o $@

.PHONY: test-programs
test-programs: $(BENCHES) $(UNIT_TESTS) $(FUZZ_REPLAYS) $(WORKLOADS) $(BUILD)/property \
	$(BUILD)/verifier $(BUILD)/notify $(if $(CROSS),,build/faults.so build/bench/Allocate.class \
		build/soak/stepped_clock.so)

.PHONY: test
test: ## install what is missing, build, run every test, plain and sanitized
	$(call needs,build|test)
	@tests/run-all

.PHONY: unit
unit: all test-programs ## only the unit tests, the kept fuzz corpora, and how the program is hardened
	@tests/run-unit $(BUILD)

.PHONY: system
system: all test-programs ## only the system tests (root)
	@tests/run-system $(BUILD)

# make test-vm KERNELS=6.12: one of them
KERNELS ?= 6.1 6.12 6.12-arm64 6.12-built
.PHONY: test-vm
test-vm: ## the system tests on other kernels, in virtual machines (qemu, no KVM)
	$(call needs,build|test|vm)
	@tests/run-vm $(KERNELS)

.PHONY: test-fresh
test-fresh: ## both commands of the README on a Debian 12 with nothing but make and sudo (root)
	$(call needs,fresh)
	@tests/fresh-root

.PHONY: test-deb
test-deb: ## build the Debian packages, check, install, upgrade and purge them in a clean Debian 12 (root)
	$(call needs,build|deb|fresh)
	@$(MAKE) --no-print-directory deb
	lintian --fail-on=error,warning build/deb/*.changes
	@tests/fresh-root deb

# make bench ROUNDS=1 ONLY=pairs,idle PAGE=page.md
ROUNDS ?= 5
ONLY   ?=
.PHONY: bench
bench: PAGE ?= build/bench.md
bench: ## what memprov costs beside other tracers (root): one page, in PAGE
	$(call needs,build|bench)
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BENCHES) build/bench/allocate \
		build/bench/Allocate.class
	@tests/bench/run --rounds $(ROUNDS) $(if $(ONLY),--only $(ONLY)) --page $(PAGE)

# The daemon's wall clock alone is stepped.
build/soak/%.so: tests/soak/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -shared -fPIC -O1 -g $(WARN) $(if $(DEVELOPER),-Werror) $< -o $@

# make soak HOURS=1 SEED=7 PAGE=page.md, or MINUTES=10
HOURS ?= 1
.PHONY: soak
soak: PAGE ?= build/soak.md
soak: ## whether anything of the daemon grows, in HOURS=1 of everything (root): one page, in PAGE
	$(call needs,build|test)
	@$(MAKE) --no-print-directory -j$$(nproc) all test-programs
	@tests/soak/run $(if $(MINUTES),--minutes $(MINUTES),--hours $(HOURS)) $(if $(SEED),--seed $(SEED)) \
		--page $(PAGE)

# make fuzz TARGET=smaps SECONDS=60: search for new inputs, kept in tests/fuzz/corpus/TARGET. Of all libraries only those
# that read ELF and DWARF are instrumented, too. Memory is limited as it is for the symbolizer's child: a register number
# of 32 bits is enough to have libdw ask for gigabytes, and there it is refused.
TARGET  ?= smaps
SECONDS ?= 60
FUZZ_FLAGS := -std=gnu17 -D_GNU_SOURCE -DMEMPROV_VERSION='"fuzz"' -g -O1 -I user -I include -I $(BUILD) -pthread \
	-fno-strict-aliasing -fno-sanitize-recover=undefined
FUZZ_OBJECTS := $(patsubst %.c,build/fuzz/%.o,$(filter-out user/main.c,$(SOURCES)) profile.pb-c.c)

build/fuzz/profile.pb-c.o: $(BUILD)/profile.pb-c.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -c $< -o $@

build/fuzz/%.o: %.c Makefile | $(GENERATED)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c $< -o $@

build/fuzz/%: build/fuzz/tests/fuzz/fuzz_%.o $(FUZZ_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined $^ \
		$$(CLANG=$(CLANG) tests/fuzz/libdw build/fuzz) $(filter-out -ldw -lelf,$(LIBS)) -o $@

-include $(FUZZ_OBJECTS:.o=.d) $(wildcard build/fuzz/tests/fuzz/*.d)

.PHONY: fuzz
fuzz: ## fuzz one reader: TARGET=smaps SECONDS=60
	$(call needs,build|test|fuzz)
	@$(MAKE) --no-print-directory -j$$(nproc) build/fuzz/$(TARGET)
	@mkdir -p tests/fuzz/corpus/$(TARGET)
	ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=64 \
		./build/fuzz/$(TARGET) -max_total_time=$(SECONDS) -timeout=10 tests/fuzz/corpus/$(TARGET)

.PHONY: pictures
pictures: ## make docs/pictures anew (root)
	$(call needs,build|test)
	@$(MAKE) --no-print-directory -j$$(nproc) all test-programs
	tests/pictures

FORMATTED = $(shell find bpf deploy include user tests -name '*.[ch]' -o -name '*.cc')

.PHONY: check
check: ## rooms, threats and promises and their tests, files that documents name, formatting, both BPF targets, clang-tidy
	$(call needs,build|test)
	@tests/check-rooms
	@tests/check-web
	@tests/check-threats
	@tests/check-docs
	@clang-format --dry-run --Werror $(FORMATTED) && echo "clang-format: all as it should be"
	@$(MAKE) --no-print-directory build/x86.bpf.o build/arm64.bpf.o \
		build/memprov.skel.h build/profile.pb-c.h build/web_assets.h
	@printf '%s\n' $(SOURCES) | xargs -P$$(nproc) -n8 sh -c 'clang-tidy --quiet "$$@" -- \
		-std=gnu17 -D_GNU_SOURCE -DMEMPROV_VERSION=\"tidy\" -I user -I include -I build \
		2>/dev/null' sh && echo "clang-tidy: nothing to say"

.PHONY: format
format: ## reformat the sources
	clang-format -i $(FORMATTED)

# --- completions ------------------------------------------------------------------------------

# Made by a program of the machine that builds, from the tables that the program itself has.
HOSTCC ?= $(if $(CROSS),gcc,$(CC))
COMPLETIONS := build/completions/memprov.bash build/completions/memprov.zsh build/completions/memprov.fish
GENERATOR_SOURCES := deploy/completions/generate.c $(filter-out %/options_parse.c,$(wildcard user/options/*.c)) \
	$(addprefix user/util/,buf.c clock.c number.c quote.c utf8.c when.c)

build/completions/generate: $(GENERATOR_SOURCES) $(wildcard user/options/*.h) Makefile
	$(call say,HOSTCC,$@)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=gnu17 -D_GNU_SOURCE -I user -I include $(WARN) $(if $(DEVELOPER),-Werror) -O1 \
		$(GENERATOR_SOURCES) -o $@

build/completions/memprov.%: deploy/completions/memprov.%.in build/completions/generate
	$(call say,GEN,$@)
	$(Q)build/completions/generate $* < $< > $@

.PHONY: completions
completions: $(COMPLETIONS) ## what bash, zsh and fish complete (build/completions)

# --- installing -------------------------------------------------------------------------------

# Where zsh looks: what Debian's packages bring is below /usr in a place of its own.
ZSH_FUNCTIONS ?= $(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)

# By install(1) alone: what a shell writes has its mode from the umask, and root's is often 077.
.PHONY: install
install: all completions ## install below DESTDIR/PREFIX
	install -Dm755 $(BUILD)/memprov $(DESTDIR)$(PREFIX)/bin/memprov
	install -Dm755 deploy/kubectl-memprov $(DESTDIR)$(PREFIX)/bin/kubectl-memprov
	for page in memprov.1 kubectl-memprov.1; do sed 's/@VERSION@/$(VERSION)/' man/$$page | \
		install -Dm644 /dev/stdin $(DESTDIR)$(PREFIX)/share/man/man1/$$page || exit 1; done
	sed 's|@PREFIX@|$(PREFIX)|' deploy/memprov.service.in | \
		install -Dm644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/memprov.service
	install -Dm644 build/completions/memprov.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/memprov
	install -Dm644 build/completions/memprov.zsh $(DESTDIR)$(PREFIX)/share/zsh/$(ZSH_FUNCTIONS)/_memprov
	install -Dm644 build/completions/memprov.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/memprov.fish
	install -Dm644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/memprov/LICENSE
	install -Dm644 web/LICENSE.d3 $(DESTDIR)$(PREFIX)/share/doc/memprov/LICENSE.d3

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/memprov $(DESTDIR)$(PREFIX)/bin/kubectl-memprov \
		$(DESTDIR)$(PREFIX)/share/man/man1/memprov.1 $(DESTDIR)$(PREFIX)/share/man/man1/kubectl-memprov.1 \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/memprov.service \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/memprov \
		$(DESTDIR)$(PREFIX)/share/zsh/$(ZSH_FUNCTIONS)/_memprov \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/memprov.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/memprov

# --- packages ---------------------------------------------------------------------------------

# The same bytes from the same files, whoever makes it, when and where: sorted, of nobody, and as old as the changelog.
DIST := build/memprov-$(VERSION).tar.gz
.PHONY: dist
dist: ## make the source archive, reproducible (build/memprov-VERSION.tar.gz)
	@mkdir -p build
	@if [ -e .git ]; then git ls-files -z; else \
		find . -name .git -prune -o -path ./build -prune -o -name __pycache__ -prune -o \
			-name .pytest_cache -prune -o ! -type d -printf '%P\0'; fi | LC_ALL=C sort -z | \
		tar --create --file=$(DIST:.gz=) --null --no-recursion --format=gnu --numeric-owner --owner=0 --group=0 \
			--mode=u=rwX,go=rX --mtime="$$(sed -n 's/^ -- .*>  //p' debian/changelog | head -n 1)" \
			--transform='flags=r;s,^,memprov-$(VERSION)/,' --files-from=-
	@gzip -nf9 $(DIST:.gz=)
	@echo $(DIST)

# Of the archive, in a directory of its own; what this make was told is not told to that one.
.PHONY: deb
deb: ## make Debian packages: memprov and memprov-dbgsym (build/deb)
	$(call needs,build|deb)
	@$(MAKE) --no-print-directory dist
	rm -rf build/deb
	mkdir -p build/deb
	tar -C build/deb -xzf $(DIST)
	cd build/deb/memprov-$(VERSION) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS \
		dpkg-buildpackage --build=binary --unsigned-changes >../build.log 2>&1 || { tail -n 40 ../build.log; exit 1; }
	@ls build/deb/*.deb

.PHONY: clean
clean: ## remove everything that was built
	rm -rf build
