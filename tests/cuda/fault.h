// fault.h - while it lives, an illegal access of a kernel, or a loop without
// end, ends the launch with a message and not the process.
#pragma once
#include <csignal>
#include <ctime>

namespace emu {

// Seconds of processor time that a thread may take from one wait to the next.
extern int patience;

class Faults {
  public:
    Faults();
    ~Faults();
    Faults(const Faults &) = delete;
    Faults &operator=(const Faults &) = delete;

  private:
    static constexpr int N = 5;
    struct sigaction before[N];
    stack_t stack_before;
    timer_t timer;
    bool timed;
};

} // namespace emu
