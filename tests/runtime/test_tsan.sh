#!/bin/sh
# Builds the tests of the threaded parts with ThreadSanitizer and runs them; no
# suppressions.  Exit 77 (skipped) if the compiler has no ThreadSanitizer.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc}
flags="-std=c11 -O1 -g -fsanitize=thread -fPIC -D_POSIX_C_SOURCE=200809L
    -Itests/tsan -Iruntime -I. -DBUILD_DIR=\"$work\""
echo 'int main(void) { return 0; }' > "$work/try.c"
if ! $cc $flags "$work/try.c" -o "$work/try" 2> /dev/null || ! "$work/try"; then
    echo "no ThreadSanitizer here"
    exit 77
fi
mkdir "$work/obj"
# All but the text side, which has no threads (and wants more libraries).
for src in runtime/base/*.c runtime/gguf*.c runtime/plan*.c runtime/module_*.c \
    runtime/cuda*.c runtime/dev*.c runtime/exec*.c runtime/flow.c \
    runtime/kernel_set.c runtime/library.c runtime/nvml.c runtime/nvrtc.c \
    runtime/pipeline.c runtime/pool.c runtime/program.c runtime/provider.c \
    runtime/sampler.c runtime/session.c runtime/weights.c; do
    case $src in # as in CMakeLists.txt
        runtime/base/memory.c | runtime/pool.c) extra=-D_GNU_SOURCE ;;
        runtime/dev_host.c) extra=-D_DEFAULT_SOURCE ;;
        *) extra= ;;
    esac
    $cc $flags $extra -c "$src" -o "$work/obj/$(basename "$src" .c).o"
done
$cc $flags -D_GNU_SOURCE -shared tests/runtime/module_toy.c runtime/base/err.c \
    runtime/base/buf.c runtime/base/memory.c -o "$work/module_toy.so"
for test in pool exec pipeline staged; do
    $cc $flags "tests/runtime/test_$test.c" "$work"/obj/*.o \
        -lpthread -ldl -lm -o "$work/$test"
    "$work/$test"
done
