#!/bin/sh
# Builds the tests of the threaded parts with ThreadSanitizer and runs them; no
# suppressions.  Exit 77 (skipped) if the compiler has no ThreadSanitizer.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc}
flags="-std=c11 -O1 -g -fsanitize=thread -D_GNU_SOURCE -Itests/tsan -Iruntime -I."
echo 'int main(void) { return 0; }' > "$work/try.c"
if ! $cc $flags "$work/try.c" -o "$work/try" 2> /dev/null || ! "$work/try"; then
    echo "no ThreadSanitizer here"
    exit 77
fi
for test in pool; do
    $cc $flags "tests/runtime/test_$test.c" runtime/base/*.c runtime/pool.c \
        -lpthread -lm -o "$work/$test"
    "$work/$test"
done
