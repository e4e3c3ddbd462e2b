#include "runtime/cli/kernel_cases.h"

/* Names of one kind of rows of a table: WORD_kind says which. */
#define NO_WORD(name) ""
#define WORD(name) #name " "

#define WORDS_FLOAT(name) NO_WORD(name)
#define WORDS_QUANT(name) WORD(name)
#define WORDS_PLAIN(name) NO_WORD(name)
#define WORDS_ACT(name) NO_WORD(name)
#define BLOCK(name, id, elems, bytes, kind) WORDS_##kind(name)
const char case_quant_types[] =
#include "base/blocks.def"
    "";
#undef BLOCK

const char case_float_types[] = "f32 f16 bf16";

/* Elementwise ops by their most arguments. */
#define UNARY_EW(name, args) UNARY_##args(name)
#define UNARY_1(name) WORD(name)
#define UNARY_2(name) NO_WORD(name)
#define BINARY_EW(name, args) BINARY_##args(name)
#define BINARY_1(name) NO_WORD(name)
#define BINARY_2(name) WORD(name)
#define UNARY_SRC(name, args) NO_WORD(name)
#define UNARY_VIEW(name, args) NO_WORD(name)
#define UNARY_ROW(name, args) NO_WORD(name)
#define UNARY_MATMUL(name, args) NO_WORD(name)
#define UNARY_EXPERTS(name, args) NO_WORD(name)
#define UNARY_ATTENTION(name, args) NO_WORD(name)
#define UNARY_CONV(name, args) NO_WORD(name)
#define UNARY_DELTA(name, args) NO_WORD(name)
#define UNARY_COMM(name, args) NO_WORD(name)
#define UNARY_CALL(name, args) NO_WORD(name)
#define BINARY_SRC(name, args) NO_WORD(name)
#define BINARY_VIEW(name, args) NO_WORD(name)
#define BINARY_ROW(name, args) NO_WORD(name)
#define BINARY_MATMUL(name, args) NO_WORD(name)
#define BINARY_EXPERTS(name, args) NO_WORD(name)
#define BINARY_ATTENTION(name, args) NO_WORD(name)
#define BINARY_CONV(name, args) NO_WORD(name)
#define BINARY_DELTA(name, args) NO_WORD(name)
#define BINARY_COMM(name, args) NO_WORD(name)
#define BINARY_CALL(name, args) NO_WORD(name)

#define OP(name, min, max, kind, attrs, expr) UNARY_##kind(name, max)
const char case_unary_ops[] =
#include "compiler/ops.def"
    "";
#undef OP

#define OP(name, min, max, kind, attrs, expr) BINARY_##kind(name, max)
const char case_binary_ops[] =
#include "compiler/ops.def"
    "";
#undef OP

const KernelCase *const kernel_cases[KERNEL_CLASS_COUNT] = {
    [KERNEL_ROW] = kernel_cases_row,
    [KERNEL_MATMUL] = kernel_cases_matmul,
    [KERNEL_EXPERTS] = kernel_cases_experts,
    [KERNEL_ATTENTION] = kernel_cases_attention,
    [KERNEL_CONV] = kernel_cases_conv,
    [KERNEL_DELTA] = kernel_cases_delta,
};
