# SPDX-License-Identifier: Apache-2.0
# The front door. Meson and Ninja do the building (meson.build), tools/ holds
# the scripts; this file only names what people do most:
#
#   make run       build and serve on 127.0.0.1:5000 out of ./data
#   make build     the optimised binary, build/berth
#   make test      everything that proves berth right; ends with "N passed, N failed"
#   make interop   the clients written in Go (crane, oras, regctl, helm)
#   make bench     figures and ratios against other servers
#   make lint      formatting, static analysis, the direction of dependencies
#   make fuzz      FUZZ_SECONDS=1800 of every fuzz target
#   make install   PREFIX=/usr/local DESTDIR=
#   make clean     removes build/
#
# Whatever packages of Debian a target needs it installs itself, from the lists
# in tools/packages; with NO_INSTALL=1 it takes what is there.

PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 1800
JOBS ?= $(shell nproc)
BUILD := build
# Debian's own, whatever other Pythons the PATH may hold: meson and pytest are its modules.
PYTHON ?= /usr/bin/python3

RELEASE := $(BUILD)/release
ASAN := $(BUILD)/asan
TSAN := $(BUILD)/tsan
CLANG := $(BUILD)/clang
FUZZ := $(BUILD)/fuzz
BENCH := $(BUILD)/bench

install_packages = $(if $(NO_INSTALL),true,tools/install)
ninja = ninja -j$(JOBS) -C

all: build

run: build
	exec $(BUILD)/berth serve

build: $(RELEASE)/build.ninja
	@$(ninja) $(RELEASE) --quiet
	@ln -sfn release/src/cli/berth $(BUILD)/berth

test: packages-test build asan tsan
	@$(PYTHON) tools/suites test

interop: packages-interop build
	@$(PYTHON) tools/suites interop

bench: packages-bench build $(BENCH)/build.ninja
	@$(ninja) $(BENCH) --quiet tests/tools/seed_meta
	tests/bench/run

# The two instrumented builds, with unit tests and the replay of fuzz corpora.
asan: $(ASAN)/build.ninja
	@$(ninja) $(ASAN) --quiet
tsan: $(TSAN)/build.ninja
	@$(ninja) $(TSAN) --quiet

LINTS := lint-format lint-deps lint-size lint-headers lint-cppcheck lint-tidy
lint: packages-lint
	@$(MAKE) --no-print-directory --keep-going $(LINTS)
lint-format:
	tools/lint-format
lint-deps:
	tools/depcheck
lint-size:
	tools/lint-size
lint-headers: $(CLANG)/build.ninja
	tools/lint-headers $(CLANG)
lint-cppcheck: $(CLANG)/build.ninja
	tools/lint-cppcheck $(CLANG)
lint-tidy: $(CLANG)/build.ninja
	tools/lint-tidy $(CLANG) $(JOBS)

fuzz: $(FUZZ)/build.ninja
	@$(ninja) $(FUZZ) --quiet
	@$(PYTHON) tools/fuzz $(FUZZ) $(FUZZ_SECONDS)

install: build
	install -D -m 755 $(RELEASE)/src/cli/berth $(DESTDIR)$(PREFIX)/bin/berth
	tools/install-files '$(DESTDIR)$(PREFIX)' '$(PREFIX)'

clean:
	rm -rf --one-file-system $(BUILD)

packages-%:
	@$(install_packages) $*

# One build folder for each way of compiling; Meson regenerates them itself when
# a meson.build changes.
$(RELEASE)/build.ninja: | packages-build
	@tools/configure $(RELEASE) --buildtype=release --prefix=$(PREFIX)
$(ASAN)/build.ninja: | packages-build packages-test
	@tools/configure $(ASAN) --buildtype=debugoptimized -Dtests=true -Db_sanitize=address,undefined
$(TSAN)/build.ninja: | packages-build packages-test
	@tools/configure $(TSAN) --buildtype=debugoptimized -Dtests=true -Db_sanitize=thread
$(CLANG)/build.ninja: | packages-build packages-lint
	@CC=clang tools/configure $(CLANG) --buildtype=debug -Dtests=true
$(BENCH)/build.ninja: | packages-build
	@tools/configure $(BENCH) --buildtype=release -Dbench=true
$(FUZZ)/build.ninja: | packages-build packages-fuzz
	@CC=clang tools/configure $(FUZZ) --buildtype=debugoptimized -Dtests=true -Dfuzzer=true \
		-Db_lundef=false -Db_sanitize=address,undefined

.PHONY: all run build test interop bench asan tsan lint $(LINTS) fuzz install clean
