# Builds qbin. Sources are found, not listed; an instruction set is a name in ISAS, its flags and a header in src/simd.
#
#   make            build/bin/qbin and bin/<command> links      make test       unit tests and tests of the programs
#   make demo       convert the demo model and tell a story     make lint       house rules and formatting
#   make asan tsan  the tests in sanitizer builds               make fuzz       libFuzzer targets (clang)
#   make install    PREFIX=/usr/local                           make bench      benchmarks against nothing but ourselves
#
# BUILD=dir keeps several builds apart; CC=clang builds with clang.

BUILD  ?= build
PREFIX ?= /usr/local
CC     ?= cc
OPT    ?= -O2 -g

WARN     = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
CPPFLAGS += -D_GNU_SOURCE -Isrc -I. -MMD -MP
# A fused multiply-add stands only where the source says fma: results are the same bits on every CPU.
CFLAGS   += -std=c17 $(OPT) $(WARN) -ffp-contract=off -fno-math-errno $(SANITIZE)
LDFLAGS  += $(SANITIZE)
LDLIBS   += -ljansson -lpcre2-8 -lutf8proc -lxxhash -lpthread -lm
OPENMP   ?= -fopenmp

MACHINE := $(shell $(CC) -dumpmachine)
ISAS_x86_64  = scalar avx2 avx512
ISAS_aarch64 = scalar
ISAS := $(or $(ISAS_$(firstword $(subst -, ,$(MACHINE)))),scalar)
FLAGS_scalar =
FLAGS_avx2   = -mavx2 -mfma -mf16c
FLAGS_avx512 = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mavx2 -mfma -mf16c -mprefer-vector-width=512

LIB_SRC   = $(wildcard src/base/*.c src/kernels/*.c src/file/*.c src/text/*.c src/engine/*.c src/quantize/*.c src/evaluate/*.c quant_formats/*.c models/*.c)
LANE_SRC  = $(wildcard src/kernels/lanes/*.c)
TOOL_SRC  = $(wildcard tools/*.c)
TEST_SRC  = $(wildcard tests/test_*.c)
TEST_HELP = $(filter-out $(TEST_SRC),$(wildcard tests/*.c))

LIB_OBJ  = $(LIB_SRC:%.c=$(BUILD)/%.o) $(foreach i,$(ISAS),$(LANE_SRC:%.c=$(BUILD)/%.$i.o)) $(BUILD)/kernel_tables.o
TOOL_OBJ = $(TOOL_SRC:%.c=$(BUILD)/%.o)
HELP_OBJ = $(TEST_HELP:%.c=$(BUILD)/%.o)
TESTS    = $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
COMMANDS = convert run perplexity bench inspect tokenize logits

all: $(BUILD)/bin/qbin links

$(BUILD)/libqbin.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/bin/qbin: $(TOOL_OBJ) $(BUILD)/libqbin.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(OPENMP) -o $@ $(TOOL_OBJ) $(BUILD)/libqbin.a $(LDLIBS)

links: $(BUILD)/bin/qbin
	@mkdir -p bin
	@for c in qbin $(COMMANDS); do ln -sf ../$(BUILD)/bin/qbin bin/$$c; done

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(EXTRA) -c -o $@ $<

# The quantizer uses OpenMP; the rest of the program has its own threads.
$(BUILD)/src/quantize/%.o: EXTRA = -O3 $(OPENMP)
$(BUILD)/quant_formats/%.o: EXTRA = -O3

# One object per kernel source and instruction set. -O3: the accumulators of a tile must live in registers.
define lanes
$(BUILD)/%.$1.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) -O3 $$(FLAGS_$1) -DSIMD_HEADER='"simd/$1.h"' -DSIMD_ISA=$1 -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call lanes,$i)))

# The list of the tables that are compiled in, weakest first.
$(BUILD)/kernel_tables.c: Makefile
	@mkdir -p $(@D)
	@{ echo '#include "kernels/kernels.h"'; \
	   for i in $(ISAS); do echo "extern const kernels kernels_$$i;"; done; \
	   echo 'const kernels *const kernel_tables[] = {'; \
	   for i in $(ISAS); do echo "    &kernels_$$i,"; done; \
	   echo '    NULL,'; echo '};'; } > $@
$(BUILD)/kernel_tables.o: $(BUILD)/kernel_tables.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(HELP_OBJ) $(BUILD)/libqbin.a
	$(CC) $(LDFLAGS) $(OPENMP) -o $@ $< $(HELP_OBJ) $(BUILD)/libqbin.a $(LDLIBS) -lcriterion

unit: $(TESTS)
	@for t in $(TESTS); do echo "$$t"; $$t || exit 1; done

test: all unit

clean:
	rm -rf $(BUILD) bin

.PHONY: all links unit test clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
