# Makefile - 'make help' lists the targets.  Variants build side by side:
#   make tests B=build/asan CFLAGS='-g -O1 -fsanitize=address,undefined'
#   make check B=build/clang CC=clang

B       = build
CFLAGS  = -O2 -g
prefix  = /usr/local
libdir  = $(prefix)/lib
# Seconds one test program may take.
LIMIT   = 300

LIBS    = -llz4

# CI set: a warning is an error, and no rule may be skipped.
FLAGS   = -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
          -Wpointer-arith -Wwrite-strings -fPIC -fvisibility=hidden -pthread \
          -D_GNU_SOURCE -Iinclude -MMD -MP $(if $(CI),-Werror)
VERSION := $(shell sed -n 's/^.define TN_VERSION "\(.*\)"/\1/p' include/tenon.h)
SONAME  := libtenon.so.$(firstword $(subst ., ,$(VERSION)))

HEADERS  = $(wildcard include/*.h include/*/*.h)
LIB_O    = $(patsubst %.c,$B/%.o,$(sort $(wildcard src/*/*.c)))
TOOL_O   = $(patsubst %.c,$B/%.o,$(sort $(wildcard tools/*.c)))
HELPER_O = $(patsubst %.c,$B/%.o,$(sort $(wildcard tests/lib/*.c)))
UNIT     = $(patsubst %.c,$B/%,$(sort $(wildcard tests/unit/test_*.c)))
CRASH    = $(addprefix $B/tests/crash/,power living order kill bank refuse full \
             bits recipes)
SCENARIO = $(patsubst %.c,$B/%,$(sort $(wildcard tests/scenario/*.c)))
FUZZ     = $(patsubst %.c,$B/%,$(sort $(wildcard fuzz/fuzz_*.c)))
TENON_BENCH = $(patsubst %.c,$B/%,$(sort $(wildcard tests/bench/tenon*.c)))

TRACKERS = $(addprefix $B/tests/trackers/,scan pagemap compare track)

# What 'make tests' and 'make check' run; each leaves a .log and a .ran.
TESTS    = $(UNIT) $(SCENARIO) $(CRASH) $(TRACKERS) $(FUZZ) \
           $(addprefix $B/,$(wildcard tests/cli/run.sh))
RULES    = $(addprefix $B/rules/,layers symbols headers format longest words \
             selftest) $B/tests/install/run.sh

# Commands are shown in short, V=1 shows them whole, -s not at all.
say      = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@echo '  $1';)

SOURCES  = $(wildcard Makefile README.md .clang-format .ci/* docs/* fuzz/*.[ch] \
             src/LAYERS src/*/*.[ch] tools/* tests/*.sh tests/*/*) $(HEADERS)
RUN      = B=$B CC='$(CC)' CI=$(CI) tests/run.sh

# Tests in which threads meet.
MEET     = $(addprefix scenario/,bank atomic read_while_write durable_threads \
             durable_transfer durable_readers) \
           $(addprefix crash/,living order bank)

# Naming deps on the command line puts it before all else, with -j too.
DEPS     = $(filter deps deps-%,$(MAKECMDGOALS))

all: $B/libtenon.a $B/libtenon.so $B/tenon	## the library and the tenon command

check: $(TESTS:=.ran) $(RULES:=.ran)	## every test and rule whose inputs changed
	@tests/summary.sh $(TESTS) $(RULES)
tests: $(TESTS:=.ran)		## the tests alone, without the rules on the source
	@tests/summary.sh $(TESTS)
layers symbols headers format longest words: $B/libtenon.so	## one rule alone
	@B=$B CC='$(CC)' tests/rules/$@.sh
programs: all $(UNIT) $(SCENARIO) $(CRASH) $(FUZZ) $(TENON_BENCH)	## build, run nothing

tsan:				## the tests with threads, under ThreadSanitizer
	@$(MAKE) $(MEET:%=build/tsan/tests/%) B=build/tsan \
	    CFLAGS='-g -O1 -fsanitize=thread -Wno-tsan'
	@B=build/tsan tests/tsan.sh $(MEET)

crash: $(CRASH)			## power cuts, kills, refusals, flips at length; rules
	$B/tests/crash/power --all --images 1000000
	$B/tests/crash/kill --all --points 20000
	$B/tests/crash/bank --kills 5000
	$B/tests/crash/refuse --all --runs 20000
	$B/tests/crash/bits --all
	tests/crash/rules.sh

fuzz:				## look for inputs that break it; T=600: seconds each
	@B=$B fuzz/run.sh $(or $T,60) $(W)
fuzzers: $(FUZZ)

coverage:			## lines of the files that parse which the tests run
	@$(MAKE) programs B=$B/coverage CFLAGS='-g -O0 --coverage'
	@B=$B/coverage tests/coverage.sh $(patsubst $B/%,$B/coverage/%,$(UNIT) $(FUZZ) \
	  $B/tests/crash/recipes)

demo: all			## see it work on the files of this machine
	tools/demo.sh $B/tenon

deps:				## install what is missing to build and check
	@.ci/deps gcc libcriterion-dev liblz4-dev libxxhash-dev pkg-config
deps-ci:			## what .ci/run needs besides
	@.ci/deps g++ clang clang-format-14 lz4
deps-fuzz:			## what fuzz needs besides
	@.ci/deps clang libclang-rt-14-dev
deps-bench:			## the peers that bench compares with
	@.ci/deps -k g++ libboost-dev liblmdb-dev libpmemobj-dev \
	  libmimalloc-dev libjemalloc-dev libsqlite3-dev lz4

include tests/bench/peers.mk
bench: $(BENCH)			## against its peers; W=churn: one workload; JSON=1; DOC=1
	@B=$B tests/bench/run.sh $(if $(JSON),--json) $(if $(DOC),--doc) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(W)

install: all			## install below $(DESTDIR)$(prefix)
	install -d $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/include/tenon \
	  $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(prefix)/share/man/man1
	install -m 644 include/tenon.h $(DESTDIR)$(prefix)/include
	install -m 644 include/tenon/*.h $(DESTDIR)$(prefix)/include/tenon
	install -m 644 $B/libtenon.a $(DESTDIR)$(libdir)
	install $B/libtenon.so.$(VERSION) $(DESTDIR)$(libdir)
	ln -sf libtenon.so.$(VERSION) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/libtenon.so
	sed 's|@prefix@|$(prefix)|; s|@libdir@|$(libdir)|; s|@version@|$(VERSION)|' \
	  tenon.pc.in >$(DESTDIR)$(libdir)/pkgconfig/tenon.pc
	chmod 644 $(DESTDIR)$(libdir)/pkgconfig/tenon.pc
	install $B/tenon $(DESTDIR)$(prefix)/bin
	install -m 644 docs/tenon.1 $(DESTDIR)$(prefix)/share/man/man1
	@[ -n '$(DESTDIR)' ] || ldconfig 2>/dev/null || :

uninstall:			## take back what install put there
	rm -rf $(DESTDIR)$(prefix)/include/tenon
	rm -f $(DESTDIR)$(prefix)/include/tenon.h $(DESTDIR)$(prefix)/bin/tenon \
	  $(addprefix $(DESTDIR)$(libdir)/,libtenon.a libtenon.so $(SONAME) \
	    libtenon.so.$(VERSION) pkgconfig/tenon.pc) \
	  $(DESTDIR)$(prefix)/share/man/man1/tenon.1

help:				## this list
	@sed -n 's/^\([a-z -]*\):.*## /  \1\t/p' Makefile | expand -t 14

clean:				## remove what was built
	rm -rf $B

# The archive is one object whose internal names are local to it, so that they
# cannot clash with a program's own; unit tests, which want to see them, take
# the objects as they are.
$B/libtenon.a: $(LIB_O)
	$(call say,ar    $@)rm -f $@; $(LD) -r $^ -o $B/tenon.o && \
	objcopy --localize-hidden $B/tenon.o && ar rcs $@ $B/tenon.o
$B/internal.a: $(LIB_O)
	$(call say,ar    $@)rm -f $@ && ar rcs $@ $^
$B/helper.a: $(HELPER_O) | $(DEPS)
	@mkdir -p $(@D)
	$(call say,ar    $@)rm -f $@ && ar rcs $@ $^
$B/libtenon.so: $(LIB_O)
	$(call say,link  $@)$(CC) $(CFLAGS) -shared -Wl,-soname,$(SONAME) $^ \
	  -o $@.$(VERSION) -pthread $(LIBS)
	@ln -sf libtenon.so.$(VERSION) $B/$(SONAME)
	@ln -sf $(SONAME) $@

$B/tenon: $(TOOL_O) $B/libtenon.a
	$(call say,link  $@)$(CC) $(CFLAGS) $^ -o $@ -pthread $(LIBS)
$B/tests/unit/%: $B/tests/unit/%.o $B/helper.a $B/internal.a
	$(call say,link  $@)$(CC) $(CFLAGS) $^ -o $@ -lcriterion -pthread $(WRAP) $(LIBS)
$B/tests/scenario/%: $B/tests/scenario/%.o $B/helper.a $B/libtenon.a
	$(call say,link  $@)$(CC) $(CFLAGS) $^ -o $@ -pthread $(LIBS)

$B/tests/crash/%: $B/tests/crash/%.o $B/tests/crash/disk.o \
                  $B/tests/crash/ground.o $B/tests/crash/workload.o \
                  $B/internal.a
	$(call say,link  $@)$(CC) $(CFLAGS) $(filter %.o,$^) \
	  $(filter %.a,$^) -o $@ -pthread $(WRAP) $(LIBS)
$B/tests/crash/bits: $B/tests/crash/exhibit.o
# FUZZER is what calls a target: a fuzzer, or the program that runs it over its
# corpus.
FUZZER   = $B/fuzz/replay.o
$B/fuzz/fuzz.a: $(addprefix $B/fuzz/,packed.o place.o seal.o use.o)
	$(call say,ar    $@)rm -f $@ && ar rcs $@ $^
$B/fuzz/%: $B/fuzz/%.o $B/fuzz/replay.o $B/fuzz/wait.o $B/fuzz/fuzz.a $B/helper.a $B/internal.a
	$(call say,link  $@)$(CC) $(CFLAGS) $(filter-out %/replay.o,$^) $(FUZZER) \
	  -o $@ -pthread $(LIBS) -Wl,--wrap=clock_passed,--wrap=clock_sleep
$B/fuzz/seeds: FUZZER =
# The tool's commands run in the target's process, and end there.
$B/fuzz/fuzz_tool: $B/fuzz/fuzz_tool.o $(filter-out %/tenon.o,$(TOOL_O)) \
                   $B/fuzz/replay.o $B/fuzz/fuzz.a $B/libtenon.a
	$(call say,link  $@)$(CC) $(CFLAGS) $(filter-out %/replay.o,$^) $(FUZZER) \
	  -o $@ -pthread $(LIBS) -Wl,--wrap=exit,--wrap=fclose
$B/fuzz/fuzz_tool.o: FLAGS += -Itools
# The library's allocations pass by the test.
ALLOCATIONS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$B/tests/crash/refuse: WRAP = $(ALLOCATIONS)
LZ4_CALLS = compressBegin compressUpdate compressEnd createCompressionContext
$B/tests/unit/test_no_memory: WRAP = $(ALLOCATIONS) \
  $(LZ4_CALLS:%=-Wl,--wrap=LZ4F_%)

# The page around the data of a map, as one string.
$B/tools/map_page.h: tools/map.html
	@mkdir -p $(@D)
	$(call say,page  $@)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$B/tools/map_html.o: $B/tools/map_page.h
$B/tools/map_html.o: FLAGS += -I$B/tools

$B/src/%.o: FLAGS += -Isrc
# Without optimisation the loops of xxHash take twenty times as long.
$B/src/base/digest.o: FLAGS_LAST = -O2
# Criterion's str takes no const.
$B/tests/%.o: FLAGS += -Isrc -Itests -Wno-write-strings
$B/fuzz/%.o: FLAGS += -Isrc -Itests
# What a fuzzer need not tell apart: flags to build the tests' own code with.
$B/fuzz/%.o $B/tests/lib/%.o: FLAGS_LAST = $(UNWATCHED)
$B/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(call say,cc    $<)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_LAST) -c $< -o $@

# A test that fails does not stop the others: tests/summary.sh does, at the end.
$B/tests/unit/%.ran: $B/tests/unit/%
	@$(RUN) $< $(LIMIT) $<
$B/tests/scenario/%.ran: $B/tests/scenario/%
	@$(RUN) $< $(LIMIT) $<
$B/tests/crash/recipes.ran: tests/crash/recipes.txt
$B/tests/crash/%.ran: $B/tests/crash/%
	@$(RUN) $< $(LIMIT) $<
$B/tests/trackers/%.ran: tests/trackers.sh $(CRASH) $(UNIT) $(SCENARIO) $B/tenon
	@$(RUN) $(@:.ran=) $(LIMIT) $< $*
$B/fuzz/%.ran: $B/fuzz/% $(wildcard fuzz/corpus/*/*)
	@$(RUN) $< $(LIMIT) $< fuzz/corpus/$(patsubst fuzz_%,%,$(@F:.ran=))
$B/tests/cli/run.sh.ran: $B/tenon $(wildcard tests/cli/*)
	@$(RUN) $(@:.ran=) $(LIMIT) tests/cli/run.sh
$B/tests/install/run.sh.ran: $B/libtenon.a $B/libtenon.so $B/tenon \
                             $(wildcard tests/install/*) README.md docs/tenon.1 tenon.pc.in
	@$(RUN) $(@:.ran=) $(LIMIT) tests/install/run.sh
$B/rules/symbols.ran: $B/libtenon.a $B/libtenon.so
$B/rules/%.ran: tests/rules/%.sh $(SOURCES) | $(DEPS)
	@$(RUN) $(@:.ran=) $(LIMIT) $<

-include $(patsubst %.o,%.d,$(LIB_O) $(TOOL_O) $(HELPER_O) $(UNIT:=.o) \
           $(SCENARIO:=.o) $(patsubst %.c,$B/%.o,$(wildcard tests/crash/*.c fuzz/*.c)) \
           $(TENON_BENCH:=.o))
.PHONY: all check tests programs tsan demo deps deps-ci deps-bench install uninstall
.PHONY: bench help clean layers symbols headers format longest words
.PHONY: deps-fuzz fuzz fuzzers coverage
.SECONDARY:
.DELETE_ON_ERROR:
