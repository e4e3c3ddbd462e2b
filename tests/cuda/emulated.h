// emulated.h - what a unit compiled for the emulation (device.cuh beside this
// file) and the emulator share.  A unit exports emu_attach, emu_unit_arch
// (__CUDA_ARCH__), and one EmuKernel per kernel under the kernel's name.
// Includes nothing: units have no headers.
#pragma once

// What a thread may ask about itself.
struct EmuThread {
    unsigned thread, n_threads;
    unsigned block[2], grid[2];
    unsigned char *shared; // of its block
    unsigned stages;       // calls of stage_begin
};

// What lanes of a warp do together.
enum EmuMeeting {
    EMU_SYNC_WARP,
    EMU_SHUFFLE,
    EMU_BALLOT,
    EMU_WARP_MAX,
    EMU_WARP_SUM,
    EMU_MMA_F16,
    EMU_MMA_TF32,
    EMU_MATRICES,
    EMU_MATRICES_TRANSPOSED,
    EMU_MEETINGS
};

// The emulator's side.  All act for the running thread; those that may wait
// let other threads run meanwhile.
struct EmuHost {
    EmuThread *current;
    void (*barrier)(int id, int n);
    // All 32 lanes bring a word; returns the 32 words, valid until the lane's
    // next meeting.
    const unsigned *(*meet)(EmuMeeting what, unsigned word);
    void (*mma)(EmuMeeting what, float d[4], const unsigned a[4],
                const unsigned b[2]);
    void (*matrices)(EmuMeeting what, unsigned r[4], const void *row);
    void (*copy)(void *dst, const void *src, int n);
    void (*copy_commit)();
    void (*copy_wait)(int n);
    void (*look)();     // the thread reads what another may write
    void (*progress)(); // it wrote what another may read
    void (*fault)(const char *what, const void *where); // does not return
};

struct EmuKernel {
    void (*run)(const void *call);
    unsigned call_bytes, threads;
};
