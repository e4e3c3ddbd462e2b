// say.h - the text behind emu_error().
#pragma once
#include <string>

const char *emu_say(const std::string &text);
