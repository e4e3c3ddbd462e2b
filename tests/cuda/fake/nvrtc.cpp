// The fake libnvrtc.so.13: g++ behind NVRTC's interface.  A "cubin" is the
// shared object of a unit, "PTX" a text that names the shared object.
#include "config.h"
#include "cuda/emulator.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" {
#include "runtime/cuda_api.h"
#define EXPORT __attribute__((visibility("default")))
#define NVRTC_SYM(name, parameters) EXPORT NvrtcResult name parameters;
#define NVRTC_TEXT(name, parameters) EXPORT const char *name parameters;
#include "runtime/nvrtc_syms.def"
#undef NVRTC_SYM
#undef NVRTC_TEXT
}

enum {
    NVRTC_OUT_OF_MEMORY = 1,
    NVRTC_INVALID_INPUT = 3,
    NVRTC_INVALID_PROGRAM = 4,
    NVRTC_INVALID_OPTION = 5,
    NVRTC_INTERNAL_ERROR = 11
};

struct NvrtcProgram_st {
    std::string source;
    std::vector<std::string> name, text; // headers
    std::string log, cubin, ptx;
    bool compiled = false;
};

namespace {

std::atomic<int> programs; // that there are

#define ENTER()                                                                \
    if (int failure = fake::count_call(__func__, NVRTC_INTERNAL_ERROR))        \
    return failure

const char *const ERRORS[] = {
    "NVRTC_SUCCESS",
    "NVRTC_ERROR_OUT_OF_MEMORY",
    "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
    "NVRTC_ERROR_INVALID_INPUT",
    "NVRTC_ERROR_INVALID_PROGRAM",
    "NVRTC_ERROR_INVALID_OPTION",
    "NVRTC_ERROR_COMPILATION",
    "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE",
    "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
    "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
    "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
    "NVRTC_ERROR_INTERNAL_ERROR"};

std::vector<int> archs()
{
    std::string text =
        fake::setting_text("FAKE_NVRTC_ARCHS", "80,86,89,90,100,120");
    std::vector<int> list;
    for (char *at = &text[0]; *at;) {
        list.push_back((int)strtol(at, &at, 10));
        if (*at && *at++ != ',')
            break;
    }
    return list;
}

bool starts(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

// What NVRTC takes and g++ does not need.
bool is_known(const char *option)
{
    static const char *const known[] = {"-std=",
                                        "--std=",
                                        "-default-device",
                                        "--device-as-default-execution-space",
                                        "-lineinfo",
                                        "--generate-line-info",
                                        "-w",
                                        "--disable-warnings",
                                        "-fmad=",
                                        "--fmad=",
                                        "-use_fast_math",
                                        "--use_fast_math",
                                        "-ptxas-options=",
                                        "--ptxas-options=",
                                        "-maxrregcount=",
                                        "--maxrregcount=",
                                        "-restrict",
                                        "--restrict",
                                        "--split-compile=",
                                        "-minimal",
                                        "--minimal",
                                        "-diag-suppress=",
                                        "--diag-suppress=",
                                        "-extra-device-vectorization",
                                        "--extra-device-vectorization",
                                        "-dopt=",
                                        "--dopt",
                                        "-ftz=",
                                        "--ftz=",
                                        "-prec-div=",
                                        "--prec-div=",
                                        "-prec-sqrt=",
                                        "--prec-sqrt=",
                                        "-Ofast-compile=",
                                        "--Ofast-compile="};
    for (const char *k : known)
        if (starts(option, k))
            return true;
    return false;
}

struct Target {
    bool real = false; // sm_NN: a cubin, not only PTX
    int arch = 75;
    std::string defines;
};

// -arch=sm_90a, --gpu-architecture=compute_80, ...
bool read_arch(const char *text, Target &t)
{
    t.real = starts(text, "sm_");
    if (!t.real && !starts(text, "compute_"))
        return false;
    char *end;
    t.arch = (int)strtol(strchr(text, '_') + 1, &end, 10);
    if (*end == 'a' || *end == 'f')
        end++;
    for (int a : archs())
        if (a == t.arch)
            return !*end;
    return false;
}

bool read_option(const char *option, Target &t)
{
    for (const char *name : {"-arch=", "--gpu-architecture="})
        if (starts(option, name))
            return read_arch(option + strlen(name), t);
    if (!starts(option, "-D"))
        return is_known(option);
    t.defines += std::string(" '") + option + "'";
    return true;
}

std::string file_bytes(const char *path)
{
    std::string bytes;
    FILE *f = fopen(path, "rb");
    char piece[4096];
    size_t n;
    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        bytes.append(piece, n);
    if (f)
        fclose(f);
    return bytes;
}

NvrtcResult compile(NvrtcProgram *p, const Target &t)
{
    std::vector<EmuHeader> headers;
    for (size_t i = 0; i < p->name.size(); i++)
        headers.push_back({p->name[i].c_str(), p->text[i].c_str()});
    std::string options =
        "-U__CUDA_ARCH__ -D__CUDA_ARCH__=" + std::to_string(10 * t.arch) +
        t.defines;
    char *path = nullptr;
    char *log = emu_build_once(p->source.c_str(), headers.data(),
                               (int)headers.size(), options.c_str(), &path);
    p->log = log ? log : "";
    free(log);
    if (!path)
        return NVRTC_COMPILATION_FAILED;
    if (t.real)
        p->cubin = file_bytes(path);
    p->ptx = "// made by g++\n.target sm_" + std::to_string(t.arch) +
             "\n// unit " + path + "\n";
    free(path);
    p->compiled = true;
    return NVRTC_OK;
}

} // namespace

void fake::report_left(FILE *f)
{
    fprintf(f, "left programs %d\n", programs.load());
}

const char *nvrtcGetErrorString(NvrtcResult r)
{
    bool known = r >= 0 && r < (int)(sizeof ERRORS / sizeof *ERRORS);
    return known ? ERRORS[r] : "NVRTC_ERROR unknown";
}

NvrtcResult nvrtcVersion(int *major, int *minor)
{
    ENTER();
    std::string v = fake::setting_text("FAKE_NVRTC_VERSION", "13.0");
    if (sscanf(v.c_str(), "%d.%d", major, minor) != 2)
        return NVRTC_INTERNAL_ERROR;
    return NVRTC_OK;
}

NvrtcResult nvrtcGetNumSupportedArchs(int *n)
{
    ENTER();
    *n = (int)archs().size();
    return NVRTC_OK;
}

NvrtcResult nvrtcGetSupportedArchs(int *arch)
{
    ENTER();
    for (int a : archs())
        *arch++ = a;
    return NVRTC_OK;
}

NvrtcResult nvrtcCreateProgram(NvrtcProgram **p, const char *source,
                               const char *name, int n_headers,
                               const char *const *header,
                               const char *const *header_name)
{
    ENTER();
    (void)name;
    if (!p || !source || n_headers < 0)
        return NVRTC_INVALID_INPUT;
    *p = new NvrtcProgram_st();
    programs++;
    (*p)->source = source;
    for (int i = 0; i < n_headers; i++) {
        (*p)->name.push_back(header_name[i]);
        (*p)->text.push_back(header[i]);
    }
    return NVRTC_OK;
}

NvrtcResult nvrtcDestroyProgram(NvrtcProgram **p)
{
    ENTER();
    if (!p || !*p)
        return NVRTC_INVALID_PROGRAM;
    delete *p;
    *p = nullptr;
    programs--;
    return NVRTC_OK;
}

NvrtcResult nvrtcCompileProgram(NvrtcProgram *p, int n,
                                const char *const *option)
{
    ENTER();
    Target t;
    for (int i = 0; i < n; i++)
        if (!read_option(option[i], t)) {
            p->log = std::string("nvrtc: error: unrecognized option ") +
                     option[i] + "\n";
            return NVRTC_INVALID_OPTION;
        }
    return compile(p, t);
}

NvrtcResult nvrtcGetProgramLogSize(NvrtcProgram *p, size_t *n)
{
    ENTER();
    *n = p->log.size() + 1;
    return NVRTC_OK;
}

NvrtcResult nvrtcGetProgramLog(NvrtcProgram *p, char *log)
{
    ENTER();
    memcpy(log, p->log.c_str(), p->log.size() + 1);
    return NVRTC_OK;
}

NvrtcResult nvrtcGetCUBINSize(NvrtcProgram *p, size_t *n)
{
    ENTER();
    if (!p->compiled)
        return NVRTC_INVALID_PROGRAM;
    *n = p->cubin.size();
    return NVRTC_OK;
}

NvrtcResult nvrtcGetCUBIN(NvrtcProgram *p, char *cubin)
{
    ENTER();
    if (!p->compiled)
        return NVRTC_INVALID_PROGRAM;
    memcpy(cubin, p->cubin.data(), p->cubin.size());
    return NVRTC_OK;
}

NvrtcResult nvrtcGetPTXSize(NvrtcProgram *p, size_t *n)
{
    ENTER();
    if (!p->compiled)
        return NVRTC_INVALID_PROGRAM;
    *n = p->ptx.size() + 1;
    return NVRTC_OK;
}

NvrtcResult nvrtcGetPTX(NvrtcProgram *p, char *ptx)
{
    ENTER();
    if (!p->compiled)
        return NVRTC_INVALID_PROGRAM;
    memcpy(ptx, p->ptx.c_str(), p->ptx.size() + 1);
    return NVRTC_OK;
}
