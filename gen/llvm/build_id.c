#include "gen/llvm/build_id.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

/* Made by the linker: where this module's ELF header lies in memory. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static size_t round4(size_t n) { return (n + 3) / 4 * 4; }

static void print_hex(const unsigned char *id, size_t n, char *out, size_t size)
{
    for (size_t i = 0; i < n && 2 * i + 2 < size; i++)
        snprintf(out + 2 * i, 3, "%02x", id[i]);
}

static void search_notes(const char *p, size_t n, char *out, size_t size)
{
    while (n >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr h;
        memcpy(&h, p, sizeof h);
        const char *name = p + sizeof h, *id = name + round4(h.n_namesz);
        size_t all = sizeof h + round4(h.n_namesz) + round4(h.n_descsz);
        if (all > n)
            return;
        if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 &&
            memcmp(name, "GNU", 4) == 0)
            print_hex((const unsigned char *)id, h.n_descsz, out, size);
        p += all;
        n -= all;
    }
}

void build_id(char *out, size_t size)
{
    Elf64_Ehdr h;
    memcpy(&h, __ehdr_start, sizeof h);
    out[0] = '\0';
    for (int i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr part;
        memcpy(&part, __ehdr_start + h.e_phoff + (size_t)i * sizeof part,
               sizeof part);
        if (part.p_type == PT_NOTE)
            search_notes(__ehdr_start + part.p_vaddr, part.p_memsz, out, size);
    }
}
