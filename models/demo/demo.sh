#!/bin/sh
# demo.sh SEXTET: the demo model answers the question of prompt.txt.
sextet=$1
dir=$(dirname "$0")
echo "The demo model (14 MB, Qwen3.5-MoE, Q4_K) is asked:"
sed -n 's/<|im_end|>//p' "$dir/prompt.txt" | sed 's/^/    /'
echo "It thinks up to </think>, then answers:"
echo
"$sextet" run "$dir/demo-q4_k.gguf" --prompt-file="$dir/prompt.txt" --raw --special \
    --temperature=0 --max-tokens=120 --stats || exit 1
cat <<END

Next:
    $sextet run models/demo/demo-q4_k.gguf --prompt-file=FILE --raw --special
    $sextet show models/demo/demo-q4_k.gguf --stage=fused     (any stage as text)
    $sextet plan models/demo/demo-q4_k.gguf --machine=rtx3090x6
    $sextet inspect models/demo/demo-q4_k.gguf
    $sextet --help
END
