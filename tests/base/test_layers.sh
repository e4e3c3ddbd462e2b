#!/bin/sh
# The allowed directions between folders, checked on every include line:
#     runtime/base <- dsl <- compiler <- gen;  runtime/base <- runtime
# compiler and gen may know the runtime's contracts (plan.h, host_provider.h, cuda_code.h);
# runtime/cli and compiler/pipeline.c may include anything.
fail=0
check() { # FOLDER PATTERN EXCLUDED
    found=$(grep -rnE "#include \"($2)" "$1" --include='*.[chyl]' | grep -vE "^($3)")
    [ -z "$found" ] && return
    echo "$found"
    echo "layer: $1 may not include these"
    fail=1
}
none='-'
check runtime/base 'runtime/|dsl/|compiler/|gen/' "$none"
check dsl 'runtime/|compiler/|gen/' "$none"
check runtime 'dsl/|compiler/|gen/' 'runtime/cli/'
check compiler 'gen/' 'compiler/pipeline\.c'
for dir in compiler gen; do
    found=$(grep -rnE '#include "runtime/' $dir --include='*.[ch]' |
        grep -vE 'runtime/(plan|host_provider|cuda_code)\.h' | grep -v '^compiler/pipeline\.c')
    [ -z "$found" ] || { echo "$found"; echo "layer: $dir sees only the runtime's contracts"; fail=1; }
done
exit $fail
