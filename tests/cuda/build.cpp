// emu_build: gathers a unit's files in a folder and runs build_unit.sh there.
#include "emulator.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

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
bool write_unit(const std::string &dir, const char *source, const EmuHeader *header, int n)
{
    if (!write_file(dir + "/unit.cu", source))
        return false;
    for (int i = 0; i < n; i++)
        if (strchr(header[i].name, '/') ||
            !write_file(dir + "/" + header[i].name, header[i].text))
            return false;
    return true;
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
    ok = ok && run("HEADERS='" + dir + "' " EMULATOR_DIR "/build_unit.sh '" + dir +
                   "/unit.cu' '" + out + "' " + options + " >'" + log + "' 2>&1") == 0;
    // Moved in one step, so that nobody opens half a file.
    ok = ok && run("mv '" + out + "' '" + std::string(path) + "' 2>>'" + log + "'") == 0;
    char *said = ok ? nullptr : copy(read_file(log));
    run("rm -rf '" + dir + "'");
    return said;
}
