// fault.h - while it lives, an illegal access of a kernel ends the launch with a
// message and not the process.
#pragma once
#include <csignal>

namespace emu {

class Faults {
  public:
    Faults();
    ~Faults();
    Faults(const Faults &) = delete;
    Faults &operator=(const Faults &) = delete;

  private:
    static constexpr int N = 4;
    struct sigaction before[N];
    stack_t stack_before;
};

} // namespace emu
