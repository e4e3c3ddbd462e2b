// config.h - what the environment asks of the fake libraries.
//
//   FAKE_CUDA_DEVICES         cards (1)
//   FAKE_CUDA_ARCH            of all cards, 90 for sm_90 (90)
//   FAKE_CUDA_SMS             multiprocessors (4)
//   FAKE_CUDA_MEMORY          bytes of a card, with K, M or G (4G)
//   FAKE_CUDA_PEERS           1: cards reach each other's memory (1)
//   FAKE_CUDA_DRIVER_VERSION  as cuDriverGetVersion says it (13000)
//   FAKE_CUDA_ASYNC           1: streams are threads (0)
//   FAKE_CUDA_SEED            order of threads and blocks in launches (1)
//   FAKE_CUDA_FAIL            name:n or name:n=result, more after commas: the
//                             n-th call of the name (1 is the first; without
//                             _v2) fails; name:n+ fails from then on
//   FAKE_CUDA_REPORT          a file; at the end of the process each library
//                             adds a line `name calls` for each function
//                             called, then `left what n` for memory, streams,
//                             programs, ... that were not given back
//   FAKE_NVRTC_VERSION        13.0
//   FAKE_NVRTC_ARCHS          80,86,89,90,100,120
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

namespace fake {

int64_t setting(const char *name, int64_t otherwise);
std::string setting_text(const char *name, const char *otherwise);

// Counts a call of a function; not 0: the result it shall fail with.
int count_call(const char *name, int usual_failure);

// Lines `left what n`; each library has its own.
void report_left(FILE *f);

} // namespace fake
