#include "config.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace fake {
namespace {

std::mutex lock;
// Never destroyed: the report at the end of the process reads it.
auto &calls = *new std::map<std::string, int64_t>();

std::string plain(const char *name)
{
    std::string s = name;
    size_t at = s.rfind("_v");
    return at == std::string::npos ? s : s.substr(0, at);
}

// Does `rule` (name:n, name:n+, name:n=result) hit call n of the name?
bool hits(const std::string &rule, const std::string &name, int64_t n,
          int *result)
{
    if (rule.compare(0, name.size() + 1, name + ":") != 0)
        return false;
    char *end;
    int64_t from = strtoll(rule.c_str() + name.size() + 1, &end, 10);
    bool more = *end == '+';
    if (more)
        end++;
    if (*end == '=')
        *result = atoi(end + 1);
    return more ? n >= from : n == from;
}

} // namespace

int64_t setting(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return otherwise;
    char *end;
    int64_t n = strtoll(text, &end, 10);
    switch (*end) {
    case 'K': return n << 10;
    case 'M': return n << 20;
    case 'G': return n << 30;
    default: return n;
    }
}

std::string setting_text(const char *name, const char *otherwise)
{
    const char *text = getenv(name);
    return text && *text ? text : otherwise;
}

int count_call(const char *function, int usual_failure)
{
    std::string name = plain(function);
    std::lock_guard<std::mutex> guard(lock);
    int64_t n = ++calls[name];
    std::string rules = setting_text("FAKE_CUDA_FAIL", "") + ",";
    for (size_t at = 0, end; (end = rules.find(',', at)) != std::string::npos;
         at = end + 1) {
        int result = usual_failure;
        if (hits(rules.substr(at, end - at), name, n, &result))
            return result;
    }
    return 0;
}

namespace {

// Written when the library goes.
struct Report {
    ~Report()
    {
        std::string file = setting_text("FAKE_CUDA_REPORT", "");
        FILE *f = file.empty() ? nullptr : fopen(file.c_str(), "a");
        if (!f)
            return;
        for (const auto &c : calls)
            fprintf(f, "%s %lld\n", c.first.c_str(), (long long)c.second);
        report_left(f);
        fclose(f);
    }
} report;

} // namespace

} // namespace fake
