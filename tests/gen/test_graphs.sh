#!/bin/sh
# Random modules through passes, schedule, host JIT and executor against the
# interpreter (tests/graphfuzz): those that failed once, then new ones.
build=$1
[ -x "$build/graphfuzz" ] || exit 77
"$build/graphfuzz" tests/graphfuzz/found/*.gr || exit 1
"$build/graphfuzz" --no-jit --seed=1000000 --count=1000 --out="$build" || exit 1
exec "$build/graphfuzz" --count=2000 --batch=64 --out="$build"
