# Builds qbin. Sources are found, not listed; an instruction set is a name in ISAS, its flags and a header in src/simd.
#
#   make            build/bin/qbin and bin/<command> links      make test       unit tests and tests of the programs
#   make demo       convert the demo model and tell a story     make lint       house rules and formatting
#   make asan tsan  the tests in sanitizer builds               make fuzz       libFuzzer targets (clang)
#   make bench      benchmarks on the demo model                make docs       docs/commands.md from the option tables
#   make arm64-test the tests for AArch64 under an emulator     make clean
#   make install    PREFIX=/usr/local DESTDIR=
#
# BUILD=folder keeps several builds apart; CC=clang builds with clang; OPT, CFLAGS, LDFLAGS, WERROR=-Werror are added; V=1 shows commands.
# EMULATOR="qemu-aarch64-static -L folder" starts what a cross compiler (CC) built.

MAKEFLAGS += --no-print-directory

BUILD  ?= build
PREFIX ?= /usr/local
CC     ?= cc
OPT    ?= -O2 -g
Q      := $(if $(V),,@)

WARN = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla $(WERROR)
# The compiler's OpenMP if it has one: clang needs libomp-dev.
OPENMP := $(shell echo 'int main(void) { return 0; }' | $(CC) -fopenmp -x c - -o /dev/null 2>/dev/null && echo -fopenmp)
# A fused multiply-add stands only where the source says fma: results are the same bits on every CPU.
COMPILE = $(CC) -D_GNU_SOURCE -Isrc -I. -MMD -MP $(CPPFLAGS) -std=c17 $(OPT) $(WARN) -ffp-contract=off -fno-math-errno $(SANITIZE) $(CFLAGS)
LINK    = $(CC) $(SANITIZE) $(OPENMP) $(LDFLAGS)
LIBS    = -ljansson -lpcre2-8 -lutf8proc -lxxhash -ledit -lpthread -lm $(LDLIBS)

MACHINE  := $(shell $(CC) -dumpmachine)
COMPILER := $(shell $(CC) --version)
ISAS_x86_64  = scalar avx2 avxvnni avx512
ISAS_aarch64 = scalar neon
ISAS := $(or $(ISAS_$(firstword $(subst -, ,$(MACHINE)))),scalar)
FLAGS_scalar = -O2
FLAGS_avx2    = -mavx2 -mfma -mf16c
FLAGS_avxvnni = -mavx2 -mfma -mf16c -mavxvnni
FLAGS_avx512  = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mavx2 -mfma -mf16c -mprefer-vector-width=512
# gcc for AArch64 would move loads of weights far ahead of their use, and sums into memory to make room for them.
FLAGS_neon    = -march=armv8.2-a+dotprod $(if $(findstring clang,$(COMPILER)),,-fno-schedule-insns)

LIB_SRC   := $(wildcard $(addsuffix /*.c,src/base src/simd src/kernels src/file src/text src/engine src/quantize src/evaluate quant_formats models))
LANE_SRC  := $(wildcard src/kernels/lanes/*.c)
TOOL_SRC  := $(wildcard tools/*.c)
TEST_SRC  := $(wildcard tests/test_*.c)
TEST_HELP := $(filter-out $(TEST_SRC),$(wildcard tests/*.c))

LIB_OBJ  = $(LIB_SRC:%.c=$(BUILD)/%.o) $(foreach i,$(ISAS),$(LANE_SRC:%.c=$(BUILD)/%.$i.o)) $(BUILD)/kernel_tables.o
TOOL_OBJ = $(filter-out $(BUILD)/tools/main.o,$(TOOL_SRC:%.c=$(BUILD)/%.o))
HELP_OBJ = $(TEST_HELP:%.c=$(BUILD)/%.o)
ARCHIVES = $(BUILD)/libtools.a $(BUILD)/libqbin.a
PROGRAM  = $(BUILD)/bin/qbin
TESTS    = $(TEST_SRC:%.c=$(BUILD)/%)
SCRIPTS  = $(wildcard tests/test_*.sh)
# Commands that are programs of their own: what tools/*.c define, but for those about qbin itself.
COMMANDS := $(shell sed -n 's/^const command command_\([a-z0-9]*\) = .*/\1/p' $(filter-out tools/about.c,$(TOOL_SRC)))

all: $(PROGRAM) links

# ---- compiling ----

# Written anew only when their text changes: another compiler or flag rebuilds everything, another list of sources the archives.
define remember
	@mkdir -p $(@D)
	@echo '$1' | cmp -s - $@ || echo '$1' > $@
endef
$(BUILD)/flags: FORCE
	$(call remember,$(COMPILE) $(LINK) $(foreach i,$(ISAS),$i $(FLAGS_$i)))
$(BUILD)/sources: FORCE
	$(call remember,$(LIB_OBJ) $(TOOL_OBJ))

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  compile $<"
	$(Q)$(COMPILE) $(EXTRA) -c -o $@ $<

# The quantizer uses OpenMP; the rest of the program has its own threads.
$(BUILD)/src/quantize/%.o: EXTRA = -O3 $(or $(OPENMP),-Wno-unknown-pragmas)
$(BUILD)/quant_formats/%.o: EXTRA = -O3

# One object per kernel source and instruction set. -O3: the accumulators of a tile must live in registers. The scalar objects are the
# specification, not a fast path: unrolling them costs a minute of compiling each, and inlining their checks in a sanitizer build many. -g1: lines
# for profiles and traces; to follow variables through unrolled tiles takes longer than to compile them.
LANE_SLOW = $(if $(SANITIZE),-O1 -fno-inline)
define lanes
$(BUILD)/%.$1.o: %.c $(BUILD)/flags
	@mkdir -p $$(@D)
	@echo "  compile $$< for $1"
	$(Q)$$(COMPILE) -O3 -g1 $$(FLAGS_$1) $$(LANE_SLOW) -DSIMD_HEADER='"simd/$1.h"' -DSIMD_ISA=$1 -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call lanes,$i)))

# The list of the tables that are compiled in, weakest first.
$(BUILD)/kernel_tables.c: $(BUILD)/flags
	@{ echo '#include "kernels/kernels.h"'; \
	   for i in $(ISAS); do echo "extern const kernels kernels_$$i;"; done; \
	   echo 'const kernels *const kernel_tables[] = {'; \
	   for i in $(ISAS); do echo "    &kernels_$$i,"; done; \
	   echo '    NULL,'; echo '};'; } > $@
$(BUILD)/kernel_tables.o: $(BUILD)/kernel_tables.c
	$(Q)$(COMPILE) -c -o $@ $<

# ---- linking ----

$(BUILD)/libqbin.a: $(LIB_OBJ) $(BUILD)/sources
$(BUILD)/libtools.a: $(TOOL_OBJ) $(BUILD)/sources
$(ARCHIVES):
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

# Of another architecture: what is called $@ starts the emulator, which tells the program by what name it was called.
define emulated
	$(if $(EMULATOR),@mv $@ $@.elf && printf '#!/bin/sh\nexec %s -0 "$$0" %s "$$@"\n' '$(EMULATOR)' '$(abspath $@).elf' > $@ && chmod +x $@)
endef

$(PROGRAM): $(BUILD)/tools/main.o $(ARCHIVES)
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(LINK) -o $@ $^ $(LIBS)
	$(emulated)

# TEST_MAIN: objects that take the place of Criterion's main.
$(TESTS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(HELP_OBJ) $(TEST_MAIN) $(ARCHIVES)
	@echo "  link $@"
	$(Q)$(LINK) -o $@ $^ $(LIBS) -lcriterion
	$(emulated)

# Commands by name, beside the program; bin/ in the tree has those of the plain build.
links: $(PROGRAM)
	@for c in $(COMMANDS); do ln -sf qbin $(BUILD)/bin/$$c; done
	@if [ $(BUILD) = build ]; then mkdir -p bin; for c in qbin $(COMMANDS); do ln -sf ../build/bin/qbin bin/$$c; done; fi

names:
	@echo $(COMMANDS)

# ---- testing ----

# All that is compiled, without running it.
everything: all $(TESTS)

test: all $(TESTS)
	@tests/run $(BUILD) $(TESTS) $(SCRIPTS)

# Unit tests alone; UNIT="pool session" chooses some.
unit: $(if $(UNIT),$(UNIT:%=$(BUILD)/tests/test_%),$(TESTS))
	@tests/run $(BUILD) $^

lint:
	@tests/lint

asan:
	QUICK=1 TEST_JOBS=1 TEST_PROGRAMS=$$(nproc) $(MAKE) BUILD=$(BUILD)-asan SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" OPENMP= test

# The parts that have threads of their own.
THREADED = $(patsubst tests/test_%.c,%,$(wildcard tests/test_pool.c tests/test_engine.c tests/test_features.c tests/test_experts.c tests/test_tokenizer_threads.c))
tsan:
	QUICK=1 $(MAKE) BUILD=$(BUILD)-tsan SANITIZE=-fsanitize=thread OPENMP= TEST_MAIN=$(BUILD)-tsan/tests/plain/main.o UNIT="$(THREADED)" unit

# Built by a cross compiler; UNIT="linear golden" chooses unit tests.
arm64-test:
	@tests/arm64 $(if $(UNIT),unit UNIT="$(UNIT)",test)

-include $(wildcard tests/fuzz/rules.mk)

# ---- using ----

DEMO = $(BUILD)/demo-q4.qbin

demo: all
	@echo "A small model of fairy tales, in four bits a weight:"
	$(BUILD)/bin/convert models/demo q4 -o $(DEMO)
	$(BUILD)/bin/run -m $(DEMO) -p "Once upon a time, there was a" -n 200 --seed 7

bench: all
	$(BUILD)/bin/convert models/demo q4 -o $(DEMO)
	$(BUILD)/bin/bench -m $(DEMO)

# Every matrix product of every instruction set against what the machine can do; KERNELS="-t 2 --isa avx512 q4 q3" chooses.
bench-kernels: all
	$(BUILD)/bin/bench --kernels $(KERNELS)

# README's table of formats, measured anew on a text that the demo model has not seen.
formats-table: all
	BIN=$(BUILD)/bin bench/formats.sh $(TEXT)

# docs/models.md, from the models beside the repository.
models-table: all $(BUILD)/tests/test_fixtures
	BIN=$(BUILD)/bin MODELS_TABLE=docs/models.md $(BUILD)/tests/test_fixtures --filter 'fixtures/every_model'

docs: $(PROGRAM)
	$(PROGRAM) help --markdown > docs/commands.md
	@$(MAKE) -s --no-print-directory format-page > docs/format.md

# The specification stands in the headers; this is a view of it.
format-page:
	@echo '# The .qbin file'
	@echo
	@echo 'The comments of the headers that own each part, put together by `make docs`; a test checks that this page is current.'
	@awk -f docs/comment.awk $(wildcard src/file/qbin.h src/file/spec.h quant_formats/format.h src/text/block.h)
	@echo
	@echo 'The fields of the spec; JSON keys are their names, enumerations are stored by name in lower case:'
	@echo
	@echo '```c'
	@sed -n '/^typedef enum norm_kind/,/^} spec;/p' src/file/spec.h
	@echo '```'

BINDIR = $(DESTDIR)$(PREFIX)/bin
COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

install: all
	install -d $(BINDIR) $(COMPLETIONS)
	install -m 755 $(PROGRAM) $(BINDIR)/qbin
	for c in $(COMMANDS); do ln -sf qbin $(BINDIR)/qbin-$$c && ln -sf qbin $(COMPLETIONS)/qbin-$$c; done
	$(PROGRAM) completion bash > $(COMPLETIONS)/qbin

uninstall:
	rm -f $(foreach c,qbin $(COMMANDS:%=qbin-%),$(BINDIR)/$c $(COMPLETIONS)/$c)

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-clang $(BUILD)-fuzz $(BUILD)-arm64 bin

.PHONY: all links names everything test unit lint asan tsan arm64-test demo bench bench-kernels models-table docs format-page install uninstall clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
