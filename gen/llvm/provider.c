/* provider.c - graph text to object code: the HostProvider's table.
 *
 * Each compile() has an LLVM context of its own, so any thread may call. */
#include "runtime/host_provider.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "gen/llvm/build_id.h"
#include "gen/llvm/emit.h"
#include "gen/llvm/jit.h"

/* The emitters leave little to find: variables become registers, addresses
 * and repeated loads are shared, invariant code leaves the loops.  Beside these
 * passes default<O2> takes twice the time and gains nothing measurable. */
static const char passes[] =
    "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,"
    "simplifycfg,loop-mssa(licm)),globaldce";

/* ---- processors ---- */

/* The last two are for tests: vectors of 16 lanes where AVX-512 is missing, each
 * split over two registers; and byte dot products, at least compiled. */
static const Cpu levels[] = {
    {"x86-64-v4", "x86-64-v4", "", 16, true, true, false},
    {"x86-64-v3", "x86-64-v3", "", 8, true, true, false},
    {"x86-64-v2", "x86-64-v2", "", 4, false, false, false},
    {"x86-64-v3/16", "x86-64-v3", "", 16, true, true, false},
    {"x86-64-v4/vnni", "x86-64-v4", "+avx512vnni", 16, true, true, true},
};

static Cpu native;
static char native_text[4096];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool has(const char *features, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = features; (p = strstr(p, name)); p += n)
        if ((p == features || p[-1] == ',') && (!p[n] || p[n] == ','))
            return true;
    return false;
}

static void find_native(void)
{
    static char name[64], features[4000];
    char *cpu = LLVMGetHostCPUName(), *list = LLVMGetHostCPUFeatures();
    snprintf(name, sizeof name, "%s", cpu);
    snprintf(features, sizeof features, "%s", list);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(list);
    snprintf(native_text, sizeof native_text, "%s %s", name, features);
    bool avx2 = has(features, "+avx2") && has(features, "+fma") &&
                has(features, "+f16c");
    bool avx512 = avx2 && has(features, "+avx512f") &&
                  has(features, "+avx512vl") && has(features, "+avx512bw") &&
                  has(features, "+avx512dq");
    native = (Cpu){"native",
                   name,
                   features,
                   avx512 ? 16
                   : avx2 ? 8
                          : 4,
                   avx2,
                   avx2,
                   avx512 && has(features, "+avx512vnni")};
}

static void start_llvm(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    find_native();
}

static Err *find_cpu(const char *name, const Cpu **out)
{
    pthread_once(&once, start_llvm);
    *out = &native;
    if (strcmp(name, "native") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        *out = &levels[i];
        if (strcmp(levels[i].name, name) == 0)
            return NULL;
    }
    return err_new(ERR_INPUT,
                   "no code for the processor '%s': native, x86-64-v2, "
                   "x86-64-v3 or x86-64-v4",
                   name);
}

static const char *native_cpu(void)
{
    pthread_once(&once, start_llvm);
    return native_text;
}

/* ---- from text to object code ---- */

/* An LLVM message as an Err; frees it. */
static Err *llvm_error(const char *what, char *message)
{
    Err *e = err_new(ERR_LIMIT, "%s: %s", what, message ? message : "");
    LLVMDisposeMessage(message);
    return e;
}

static Err *open_machine(const Cpu *cpu, LLVMTargetMachineRef *out)
{
    char *message = NULL, *triple = LLVMGetDefaultTargetTriple();
    LLVMTargetRef target;
    bool failed = LLVMGetTargetFromTriple(triple, &target, &message);
    *out = NULL;
    if (!failed)
        *out = LLVMCreateTargetMachine(target, triple, cpu->llvm, cpu->features,
                                       LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                       LLVMCodeModelSmall);
    LLVMDisposeMessage(triple);
    return failed ? llvm_error("no LLVM target", message) : NULL;
}

static Err *emit_all(Ir *ir, const Module *m)
{
    for (int i = 0; i < m->n_graphs; i++) {
        if (m->graph[i]->kind != GRAPH_FUNC)
            continue;
        TRY(kernel_verify(m->graph[i]));
        TRY(emit_kernel(ir, m->graph[i]));
    }
    return NULL;
}

static void print_ir(const Ir *ir, const char *title, Buf *out)
{
    if (!out)
        return;
    char *text = LLVMPrintModuleToString(ir->mod);
    buf_printf(out, "; %s\n%s", title, text);
    LLVMDisposeMessage(text);
}

static Err *optimise(const Ir *ir, LLVMTargetMachineRef machine)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef bad = LLVMRunPasses(ir->mod, passes, machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!bad)
        return NULL;
    char *message = LLVMGetErrorMessage(bad);
    Err *e = err_new(ERR_LIMIT, "LLVM passes: %s", message);
    LLVMDisposeErrorMessage(message);
    return e;
}

static Err *emit_object(const Ir *ir, LLVMTargetMachineRef machine, Buf *out)
{
    char *message = NULL;
    LLVMMemoryBufferRef code;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, ir->mod, LLVMObjectFile,
                                            &message, &code))
        return llvm_error("LLVM code generation", message);
    buf_add(out, LLVMGetBufferStart(code), LLVMGetBufferSize(code));
    LLVMDisposeMemoryBuffer(code);
    return NULL;
}

static Err *verify(const Ir *ir)
{
    char *message = NULL;
    if (LLVMVerifyModule(ir->mod, LLVMReturnStatusAction, &message))
        return llvm_error("wrong code was generated", message);
    LLVMDisposeMessage(message);
    return NULL;
}

static Err *translate(Ir *ir, const Module *m, LLVMTargetMachineRef machine,
                      Buf *object, Buf *text)
{
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(ir->mod, triple);
    LLVMSetModuleDataLayout(ir->mod, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
    TRY(emit_all(ir, m));
    print_ir(ir, "before optimisation", text);
    TRY(verify(ir));
    TRY(optimise(ir, machine));
    print_ir(ir, "after optimisation", text);
    return emit_object(ir, machine, object);
}

static Err *compile(const char *kernels, const char *cpu, Buf *object, Buf *ir)
{
    Err *e = NULL;
    Arena *a = arena_new();
    Module *m = NULL;
    const Cpu *target;
    LLVMTargetMachineRef machine = NULL;
    Ir code = {0};
    DO(find_cpu(cpu, &target));
    DO(module_parse(a, kernels, &m));
    DO(open_machine(target, &machine));
    ir_init(&code, a, target, m->name);
    e = translate(&code, m, machine, object, ir);
    ir_fini(&code);
out:
    if (machine)
        LLVMDisposeTargetMachine(machine);
    arena_free(a);
    return e ? err_note(e, "compiling for the host") : NULL;
}

static char version[80];

__attribute__((constructor)) static void find_version(void)
{
    char id[48];
    build_id(id, sizeof id);
    snprintf(version, sizeof version, "LLVM %s, build %s", LLVM_VERSION_TEXT,
             id);
}

extern const HostProvider sextet_host_provider;

/* What the runtime looks up: HOST_PROVIDER_SYMBOL. */
__attribute__((visibility("default")))
const HostProvider sextet_host_provider = {
    .abi = HOST_PROVIDER_ABI,
    .version = version,
    .compile = compile,
    .native_cpu = native_cpu,
    .load = jit_load,
    .symbol = jit_symbol,
    .unload = jit_unload,
};
