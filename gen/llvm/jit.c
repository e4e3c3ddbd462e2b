#include "gen/llvm/jit.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>

#include "base/blocks.h"
#include "base/memory.h"

struct HostModule {
    LLVMOrcLLJITRef jit;
};

/* All that generated code may call: nothing else is visible to it. */
typedef struct {
    const char *name;
    void (*fn)(void);
} Import;

#define IMPORT(f)                                                              \
    {                                                                          \
#f, (void (*)(void))f                                                  \
    }
static const Import imports[] = {IMPORT(memcpy), IMPORT(memmove),
                                 IMPORT(memset), IMPORT(block_encode)};
enum { N_IMPORTS = sizeof imports / sizeof *imports };

static Err *orc_error(const char *what, LLVMErrorRef bad)
{
    if (!bad)
        return NULL;
    char *message = LLVMGetErrorMessage(bad);
    Err *e = err_new(ERR_LIMIT, "%s: %s", what, message);
    LLVMDisposeErrorMessage(message);
    return e;
}

static Err *define_imports(LLVMOrcLLJITRef jit)
{
    LLVMOrcCSymbolMapPair pair[N_IMPORTS];
    for (int i = 0; i < N_IMPORTS; i++) {
        pair[i].Name = LLVMOrcLLJITMangleAndIntern(jit, imports[i].name);
        pair[i].Sym.Address = (LLVMOrcExecutorAddress)imports[i].fn;
        pair[i].Sym.Flags =
            (LLVMJITSymbolFlags){LLVMJITSymbolGenericFlagsExported |
                                     LLVMJITSymbolGenericFlagsCallable,
                                 0};
    }
    LLVMOrcMaterializationUnitRef unit =
        LLVMOrcAbsoluteSymbols(pair, N_IMPORTS);
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(jit);
    LLVMErrorRef bad = LLVMOrcJITDylibDefine(lib, unit);
    if (bad)
        LLVMOrcDisposeMaterializationUnit(unit);
    return orc_error("defining imports", bad);
}

static Err *add_object(LLVMOrcLLJITRef jit, const void *object, size_t n)
{
    LLVMMemoryBufferRef copy =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(object, n, "kernels");
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(jit);
    return orc_error("loading kernels",
                     LLVMOrcLLJITAddObjectFile(jit, lib, copy));
}

static void start_target(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
}

Err *jit_load(const void *object, size_t n, HostModule **out)
{
    Err *e = NULL;
    HostModule *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        memory_out(sizeof *m);
    start_target();
    DO(orc_error("starting the JIT", LLVMOrcCreateLLJIT(&m->jit, NULL)));
    DO(define_imports(m->jit));
    DO(add_object(m->jit, object, n));
    *out = m;
    return NULL;
out:
    jit_unload(m);
    return e;
}

void *jit_symbol(HostModule *m, const char *name)
{
    LLVMOrcExecutorAddress at = 0;
    LLVMErrorRef bad = LLVMOrcLLJITLookup(m->jit, &at, name);
    if (bad) {
        LLVMConsumeError(bad);
        return NULL;
    }
    void *p;
    memcpy(&p, &at, sizeof p);
    return p;
}

void jit_unload(HostModule *m)
{
    if (m->jit)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(m->jit));
    free(m);
}
