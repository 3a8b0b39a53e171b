# Tests: every tests/SUITE/*.c is linked with the library's objects.
#   tests/kernels  one program, one test per row of kernels.def
#   tests/unit     one program per file (cmocka)
#   tests/sim      the engine over an architecture and a clock that are simulated
#   tests/fuzz     one target per file; with MODE=fuzz a libFuzzer binary, else a plain
#                  program that replays the files given as arguments
TEST_CFLAGS := $(shell pkg-config --cflags cmocka 2>/dev/null) -Itests
TEST_LIBS   := $(shell pkg-config --libs cmocka 2>/dev/null)

UNIT_BIN   := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*.c))
KERNEL_SRC := $(wildcard tests/kernels/*.c)
FUZZ_BIN   := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))

$(B)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE) $(PKG_C) $(TEST_CFLAGS) $(FLAGS_$(MODE)) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(LIB_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(san_flags) $(LDFLAGS) $^ $(LIB_LIBS) $(TEST_LIBS) -o $@

# Its own step.c stands in place of the model's; the clock and the disk are wrapped.
SIM_WRAP := -Wl,--wrap=clock_gettime -Wl,--wrap=pread -Wl,--wrap=pwrite
SIM_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/sim/*.c))
$(B)/tests/sim/sim: $(SIM_OBJ) $(filter-out %/model/step.o,$(LIB_OBJ))
	$(call say,LINK)
	$(Q)$(CC) $(san_flags) $(LDFLAGS) $(SIM_WRAP) $^ $(LIB_LIBS) $(TEST_LIBS) -o $@

$(B)/tests/kernels/kernels: $(KERNEL_SRC:%.c=$(B)/%.o) $(LIB_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(san_flags) $(LDFLAGS) $^ $(LIB_LIBS) $(TEST_LIBS) -o $@

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(if $(filter-out fuzz,$(MODE)),$(B)/tests/fuzz/replay.o) $(LIB_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(san_flags) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

.PRECIOUS: $(B)/tests/%.o
.PHONY: unit kernels-test sim fuzz-bins
unit: $(UNIT_BIN)                           ## build the unit tests
kernels-test: $(B)/tests/kernels/kernels    ## build the kernel tests
sim: $(B)/tests/sim/sim                     ## build the simulation
fuzz-bins: $(FUZZ_BIN)                      ## build the fuzz targets (MODE=fuzz: with libFuzzer)

-include $(wildcard $(B)/tests/*/*.d)

# The example uses the public header and the archive only, as any other program would.
$(B)/examples/%: examples/%.c $(B)/libbrrr.a include/brrr.h
	@mkdir -p $(@D)
	$(call say,EXAMPLE)
	$(Q)$(CC) -std=c17 -Wall -Wextra -Werror -O2 $(san_flags) -Iinclude $< $(B)/libbrrr.a $(LIB_LIBS) -o $@

# What test.sh has no time for. docs/performance.md keeps the last result.
.PHONY: heavy sim-long
heavy:                                      ## ten minutes of libFuzzer a target; all real models under ASan
	HEAVY=1 SMOKE_SECONDS=600 ./test.sh python models build-asan-real real-asan fuzz

sim-long: $(B)/tests/sim/sim                ## ten minutes of random lives of the engine, from a seed of their own
	$(Q)$< --seconds 600 --seed $$(date +%s)

.PHONY: example
example: $(B)/examples/complete             ## build examples/complete.c on libbrrr.a
