#!/bin/sh
# The house style's hard limits: functions of at most 60 lines, files of at most
# 800; prints the medians.  Needs universal-ctags; skipped without it.
command -v ctags >/dev/null && ctags --version | grep -q Universal || exit 77
files=$(git ls-files '*.c' '*.h' '*.cuh' '*.l' '*.y' '*.def' | grep -v '^tests/')
wc -l $files | awk '$2 != "total" && $1 > 800 {print "file of " $1 " lines: " $2; bad = 1} END {exit bad}' || exit 1
ctags -x --_xformat='%N %F %n %e' --fields=+e --kinds-C=f --languages=C $files |
    awk '$4 > 0 {print $4 - $3 + 1, $1, $2}' | sort -n |
    awk '{n[NR] = $1; if ($1 > 60) {print "function of " $1 " lines: " $2 " in " $3; bad = 1}}
         END {print NR " functions, median " n[int(NR / 2) + 1] ", p90 " n[int(NR * 0.9)] ", longest " n[NR]; exit bad}'
