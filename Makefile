# brrr: one build system, no configure step. `make help` lists the targets.
#
# A new file needs no edit here: sources are found by wildcard, and a source
# that sits in a folder named like an instruction set gets that set's flags.

MODE ?= release
ifeq ($(origin CC),default)
CC   := gcc
endif

FLAGS_release := -O2 -g
FLAGS_debug   := -Og -g -DBRRR_DEBUG
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# With a real model: the vector kernels, which others test with address checks, at full speed.
FLAGS_asan-real := $(FLAGS_asan)
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
ifeq ($(FLAGS_$(MODE)),)
$(error MODE=$(MODE) is unknown: use release, debug, asan, asan-real, tsan or fuzz)
endif
# libFuzzer lives in clang.
ifeq ($(MODE),fuzz)
CC := clang-14
endif
# Objects of another compiler stay apart: nothing is rebuilt when a variable changes.
OTHER_CC := $(if $(filter fuzz,$(MODE)),,$(filter-out gcc,$(firstword $(CC))))
B  := build/$(MODE)$(addprefix -,$(notdir $(OTHER_CC)))

# One line for each instruction-set folder.
ISA_c      := -O3
ISA_avx2   := -O3 -mavx2 -mfma -mf16c -mbmi2
ISA_avxvnni := $(ISA_avx2) -mavxvnni
ISA_avx512 := -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c -mbmi2 -mprefer-vector-width=512
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16

# No -ffast-math, ever; contraction off because clang fuses a*b+c by itself and
# the same request must give the same bits whatever compiled the engine.
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
CFLAGS   ?=
VERSION  := 0.1.0
DEFAULT_MODEL := SmolLM2-135M-Instruct.Q4_1.gguf
BASE     := -DBRRR_VERSION=\"$(VERSION)\" -DBRRR_DEFAULT_MODEL=\"$(DEFAULT_MODEL)\" -std=c17 -D_GNU_SOURCE -Isrc -Iinclude -fPIC -pthread -fvisibility=hidden \
            -ffp-contract=off -fno-math-errno -fno-trapping-math $(WARN)
HARDEN   := -fstack-protector-strong -fcf-protection
ifeq ($(MODE),release)
HARDEN   += -D_FORTIFY_SOURCE=2
endif
PKGS     := jansson libpcre2-8 libutf8proc libxxhash libedit libevent libevent_openssl openssl
PKG_C    := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIB_LIBS := $(shell pkg-config --libs jansson libpcre2-8 libutf8proc libxxhash 2>/dev/null) -lm -pthread
CMD_LIBS := $(shell pkg-config --libs libedit libevent libevent_openssl openssl 2>/dev/null)
LDFLAGS  ?=
LINK     := -pie -Wl,-z,relro,-z,now

# The server and its libraries are the program's, not libbrrr's.
LIB_SRC  := $(filter-out src/cmd/% src/server/%,$(wildcard src/*/*.c src/kernels/*/*.c))
CMD_SRC  := $(wildcard src/cmd/*.c src/server/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
CMD_OBJ  := $(CMD_SRC:%.c=$(B)/%.o)

# One short line for each file; `make V=1` shows the commands.
Q   := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $1 $@)

folder    = $(notdir $(patsubst %/,%,$(dir $1)))
isa_flags = $(if $(filter src/kernels/%,$1),$(ISA_$(call folder,$1)))
# Fuzzing is for parsers: the vector kernels see checked numbers only, and clang takes minutes to
# instrument them. Under TSan BRRR_CPU=c runs the instrumented reference instead.
uninstrumented = $(and $(filter fuzz tsan asan-real,$(MODE)),$(filter src/kernels/avx%,$1))
# Under ASan they get outlined address checks only: inlined ones and UBSan take gcc minutes a
# file. The C reference, the same arithmetic, is instrumented in full.
outlined = $(and $(filter asan,$(MODE)),$(filter src/kernels/avx%,$1))
OUTLINED := -O1 -g -fno-omit-frame-pointer -fsanitize=address $(if $(findstring clang,$(CC)),-mllvm -asan-instrumentation-with-call-threshold=0,--param asan-instrumentation-with-call-threshold=0)
code_flags = $(if $(uninstrumented),$(if $(filter asan-real,$(MODE)),$(FLAGS_release) $(isa_flags),-O1 -g $(filter -m%,$(isa_flags))),$(if $(outlined),$(OUTLINED) $(filter -m%,$(isa_flags)),$(FLAGS_$(MODE)) $(isa_flags)))
san_flags = $(filter -fsanitize% -fno-sanitize%,$(FLAGS_$(MODE)))

.PHONY: all lib lint headers symbols format clean help
all: $(B)/brrr lib                          ## build/$(MODE)/brrr and the library (default)
lib: $(B)/libbrrr.a $(B)/libbrrr.so         ## libbrrr.a and libbrrr.so (public header: include/brrr.h)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(BASE) $(HARDEN) $(PKG_C) $(call code_flags,$<) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/brrr: $(CMD_OBJ) $(LIB_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(san_flags) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer-no-link) $(LINK) $(LDFLAGS) $^ $(LIB_LIBS) $(CMD_LIBS) -o $@

# The archive is one object in which only brrr_* stays visible (checked by tools/check-symbols).
$(B)/libbrrr.a: $(LIB_OBJ)
	$(call say,AR)
	$(Q)ld -r $^ -o $(B)/libbrrr.o
	$(Q)objcopy -w --keep-global-symbol='brrr_*' $(B)/libbrrr.o
	$(Q)rm -f $@ && ar rcs $@ $(B)/libbrrr.o

$(B)/libbrrr.so: $(LIB_OBJ)
	$(call say,LINK)
	$(Q)$(CC) -shared $(san_flags) -Wl,-z,relro,-z,now $(LDFLAGS) $^ $(LIB_LIBS) -o $@

# The page's files are in the program.
$(B)/src/server/page.o: $(wildcard src/server/page/*)

-include tests/tests.mk

C_FILES  := $(wildcard include/*.h src/*/*.[ch] src/kernels/*/*.[ch] tests/*/*.[ch] examples/*.[ch])
lint: headers                               ## layers, sizes, formatting, headers that compile alone
	tools/check-layers
	tools/check-size
	clang-format-14 --dry-run -Werror $(C_FILES)

# Each header compiles alone; verb_sets.h is part of a table. Those in simd/ are for the folders
# of instruction sets: the widest stands for all.
ISA_HEADER_simd := $(ISA_avx512)
HEADERS  := $(filter-out src/cmd/verb_sets.h,$(wildcard include/*.h src/*/*.h src/kernels/*/*.h))
headers: $(HEADERS:%=$(B)/%.ok)             ## check that each header compiles alone
$(B)/%.h.ok: %.h
	@mkdir -p $(@D)
	$(call say,HEADER)
	$(Q)$(CC) $(BASE) $(PKG_C) $(FLAGS_$(MODE)) $(call isa_flags,$<) \
	  $(ISA_HEADER_$(call folder,$<)) -Wno-unused-function -MMD -MP -MF $@.d -MT $@ -fsyntax-only -x c -include $< /dev/null
	@touch $@
-include $(HEADERS:%=$(B)/%.ok.d)

symbols: lib                                ## check that the libraries define brrr_* only
	tools/check-symbols $(B)

format:                                     ## rewrite the sources with clang-format
	clang-format-14 -i $(C_FILES)

clean:                                      ## remove build/
	rm -rf build

help:                                       ## this list
	@echo "usage: make [target] [MODE=release|debug|asan|asan-real|tsan|fuzz] [CC=gcc|clang-14] [V=1]"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | sort | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d)
