# Fuzz targets: tests/fuzz/fuzz_<name>.c. Included by the Makefile.
#
#   make fuzz [FUZZ_SECONDS=60] [FUZZ="safetensors qbin"]     runs them with libFuzzer (clang), each from tests/fuzz/corpus/<name>; new inputs and crashes
#                                                            are kept in build-fuzz/corpus/<name>
#   make test                                                replays the corpus without it

FUZZ         ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
REPLAYS      = $(FUZZ:%=$(BUILD)/tests/fuzz/replay_%)
FUZZERS      = $(FUZZ:%=$(BUILD)/tests/fuzz/fuzz_%)
FUZZ_HELP    = $(BUILD)/tests/fuzz/target.o $(BUILD)/tests/fuzz/follow.o

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(FUZZ_HELP) $(BUILD)/libqbin.a
	@echo "  link $@"
	$(Q)$(LINK) -o $@ $^ $(LIBS)

test everything: $(REPLAYS)

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_HELP) $(BUILD)/libqbin.a
	@echo "  link $@"
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS)

fuzzers: $(FUZZERS)

fuzz:
	$(MAKE) BUILD=$(BUILD)-fuzz CC=clang OPENMP= ISAS=scalar SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzzers
	@for f in $(FUZZ); do \
	    kept=$(BUILD)-fuzz/corpus/$$f; mkdir -p $$kept; echo "$$f: $(FUZZ_SECONDS) s"; \
	    nice $(BUILD)-fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$$kept- $$kept tests/fuzz/corpus/$$f || exit 1; \
	done

.PHONY: fuzz fuzzers
