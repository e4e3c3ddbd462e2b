// emu_build: gathers a unit's files in a folder and runs build_unit.sh there.
#include "emulator.h"
#include "say.h"

#include <algorithm>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

bool write_file(const std::string &path, const char *text)
{
    FILE *f = fopen(path.c_str(), "w");
    if (!f)
        return false;
    bool ok = fputs(text, f) >= 0;
    return fclose(f) == 0 && ok;
}

std::string read_file(const std::string &path)
{
    std::string text;
    FILE *f = fopen(path.c_str(), "r");
    char piece[4096];
    size_t n;
    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        text.append(piece, n);
    if (f)
        fclose(f);
    return text;
}

// A name with a folder in it would leave the folder.
bool write_unit(const std::string &dir, const char *source,
                const EmuHeader *header, int n)
{
    if (!write_file(dir + "/unit.cu", source))
        return false;
    for (int i = 0; i < n; i++)
        if (strchr(header[i].name, '/') ||
            !write_file(dir + "/" + header[i].name, header[i].text))
            return false;
    return true;
}

// For all units of a run of the tests.
const char *more_options()
{
    const char *options = getenv("EMU_OPTIONS");
    return options ? options : "";
}

// FNV-1a over texts and the ends between them.
void hash_text(uint64_t &h, const char *text)
{
    do
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    while (*text++);
}

std::string cache_path(const char *source, const EmuHeader *header, int n,
                       const char *options)
{
    static const char *const own[] = {"/device.cuh", "/emulated.h",
                                      "/build_unit.sh"};
    uint64_t h = 0xcbf29ce484222325;
    hash_text(h, source);
    hash_text(h, options);
    hash_text(h, more_options());
    for (int i = 0; i < n; i++) {
        hash_text(h, header[i].name);
        hash_text(h, header[i].text);
    }
    for (const char *file : own)
        hash_text(h, read_file(std::string(EMULATOR_DIR) + file).c_str());
    char name[32];
    snprintf(name, sizeof name, "/%016llx.so", (unsigned long long)h);
    return EMULATOR_CACHE + std::string(name);
}

using Texts = std::vector<std::pair<std::string, std::string>>;

// The kernel files of the tree: name, text.
Texts tree_headers()
{
    const std::string dir = EMULATOR_DIR "/../../gen/cuda/";
    Texts texts;
    DIR *d = opendir(dir.c_str());
    for (dirent *f; d && (f = readdir(d));) {
        std::string name = f->d_name;
        if (name.size() > 4 && name.substr(name.size() - 4) == ".cuh")
            texts.emplace_back(name, read_file(dir + name));
    }
    if (d)
        closedir(d);
    std::sort(texts.begin(), texts.end());
    return texts;
}

// The preloaded libraries of a test are not for the compiler.
int run(const std::string &command)
{
    return system(("unset LD_PRELOAD LD_LIBRARY_PATH; " + command).c_str());
}

char *copy(const std::string &text) { return strdup(text.c_str()); }

} // namespace

char *emu_build(const char *source, const EmuHeader *header, int n_headers,
                const char *options, const char *path)
{
    const char *tmp = getenv("TMPDIR");
    std::string dir = std::string(tmp ? tmp : "/tmp") + "/unitXXXXXX";
    if (!mkdtemp(&dir[0]))
        return copy("no temporary folder");
    std::string log = dir + "/log", out = dir + "/unit.so";
    bool ok = write_unit(dir, source, header, n_headers);
    std::string words = std::string(options) + " " + more_options();
    ok = ok &&
         run("HEADERS='" + dir + "' " EMULATOR_DIR "/build_unit.sh '" + dir +
             "/unit.cu' '" + out + "' " + words + " >'" + log + "' 2>&1") == 0;
    // Moved in one step, so that nobody opens half a file.
    ok = ok && run("mv '" + out + "' '" + std::string(path) + "' 2>>'" + log +
                   "'") == 0;
    char *said = ok ? nullptr : copy(read_file(log));
    run("rm -rf '" + dir + "'");
    return said;
}

char *emu_build_once(const char *source, const EmuHeader *header, int n_headers,
                     const char *options, char **path)
{
    std::string file = cache_path(source, header, n_headers, options);
    char *log = nullptr;
    mkdir(EMULATOR_CACHE, 0777);
    if (access(file.c_str(), R_OK))
        log = emu_build(source, header, n_headers, options, file.c_str());
    *path = log ? nullptr : copy(file);
    return log;
}

EmuUnit *emu_compile(const char *source, const EmuHeader *header, int n_headers)
{
    Texts texts;
    std::vector<EmuHeader> headers(header, header + n_headers);
    if (!n_headers)
        texts = tree_headers();
    for (const auto &t : texts)
        headers.push_back({t.first.c_str(), t.second.c_str()});
    char *path = nullptr;
    char *log =
        emu_build_once(source, headers.data(), (int)headers.size(), "", &path);
    EmuUnit *unit = nullptr;
    if (log)
        emu_say(log);
    else
        unit = emu_open(path);
    free(log);
    free(path);
    return unit;
}
