// NVRTC that compiles for the host: the source after cuda_on_host.h, with an entry for each kernel.
//
// What it gives as cubin is the path of the library, for cuModuleLoadData in device.cpp. Libraries
// are kept in SOFTWARE_GPU_FOLDER by their text.
#include <cuda_runtime_api.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Program {
    std::string source, log, path;
    std::vector<std::string> names;
};
enum Result { SUCCESS, FAILED = 6 };

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}
std::string contents(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}
bool exists(const std::string& path) {
    struct stat found;
    return stat(path.c_str(), &found) == 0;
}
std::string lowered(size_t i) { return "expression_" + std::to_string(i); }
std::string entry(const std::string& kernel, const std::string& name) {
    return "ENTRY const char* launch_" + name + "(unsigned* g, unsigned* b, void** a) "
           "{ return host::launch(&" + kernel + ", g, b, a); }\n"
           "ENTRY const char* signature_" + name + "() { return host::signature(&" + kernel
           + "); }\n";
}

Result compile(Program& program, int count, const char* const* options) {
    std::string flags, entries, defines;
    for (int i = 0; i < count; i++) {
        std::string option = options[i];
        if (option.rfind("-I", 0) == 0) flags += " '" + option + "'";
        if (option.rfind("-D", 0) == 0) flags += " '" + option + "'";
    }
    for (size_t i = 0; i < program.names.size(); i++)
        entries += entry(program.names[i], lowered(i));
    const bool ours = !program.names.empty();  // CuPy's own kernels are no templates
    static const std::regex plain(
        "__global__\\s+void\\s+(?:__launch_bounds__\\([^)]*\\)\\s*)?(\\w+)\\s*\\("
    );
    auto first = std::sregex_iterator(program.source.begin(), program.source.end(), plain);
    for (auto kernel = first; !ours && kernel != std::sregex_iterator(); ++kernel)
        entries += entry((*kernel)[1], (*kernel)[1]);
    static const std::regex dynamic("extern\\s+__shared__\\s+([\\w ]+?)\\s*(\\w+)\\[\\];");
    const std::string body =
        std::regex_replace(program.source, dynamic, "$1* $2 = ($1*)host::dynamic_memory;");
    if (!ours) defines = "#define RETURNED_THREADS_PASS\n";  // barriers, as they do on a GPU
    const std::string text = defines + "#include \"kernels.h\"\n" + body + "\n" + entries;
    const std::string command = setting("SOFTWARE_GPU_COMPILER") + flags;
    const size_t key = std::hash<std::string>()(setting("SOFTWARE_GPU_KEY") + command + text);
    const std::string stem = setting("SOFTWARE_GPU_FOLDER") + "/" + std::to_string(key);
    program.path = stem + ".so";
    if (exists(program.path)) return SUCCESS;
    const std::string own = stem + "." + std::to_string(getpid());
    std::ofstream(own + ".cpp") << text;
    const std::string whole = command + " -o " + own + ".so " + own + ".cpp 2> " + own + ".log";
    const int code = std::system(whole.c_str());
    program.log = contents(own + ".log");
    std::remove((own + ".log").c_str());
    if (code) {
        program.log += "\n" + whole;
        return FAILED;
    }
    std::remove((own + ".cpp").c_str());
    std::rename((own + ".so").c_str(), program.path.c_str());
    return SUCCESS;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) Result

extern "C" __attribute__((visibility("default"))) const char* nvrtcGetErrorString(Result result) {
    return result ? "NVRTC_ERROR_COMPILATION" : "NVRTC_SUCCESS";
}
API nvrtcVersion(int* major, int* minor) {
    *major = CUDART_VERSION / 1000;
    *minor = CUDART_VERSION / 10 % 100;
    return SUCCESS;
}
API nvrtcGetNumSupportedArchs(int* count) {
    *count = 1;
    return SUCCESS;
}
API nvrtcGetSupportedArchs(int* archs) {
    *archs = 90;
    return SUCCESS;
}
API nvrtcCreateProgram(
    Program** program, const char* source, const char*, int, const char* const*, const char* const*
) {
    *program = new Program{source, "", "", {}};
    return SUCCESS;
}
API nvrtcDestroyProgram(Program** program) {
    delete *program;
    return SUCCESS;
}
API nvrtcAddNameExpression(Program* program, const char* name) {
    program->names.push_back(name);
    return SUCCESS;
}
API nvrtcCompileProgram(Program* program, int count, const char* const* options) {
    return compile(*program, count, options);
}
API nvrtcGetLoweredName(Program* program, const char* name, const char** result) {
    static std::vector<std::string> numbered;  // names outlive their program here
    if (numbered.empty())
        for (size_t i = 0; i < 1000; i++) numbered.push_back(lowered(i));
    for (size_t i = 0; i < program->names.size(); i++)
        if (program->names[i] == name) {
            *result = numbered[i].c_str();
            return SUCCESS;
        }
    return FAILED;
}
API nvrtcGetProgramLogSize(Program* program, size_t* size) {
    *size = program->log.size() + 1;
    return SUCCESS;
}
API nvrtcGetProgramLog(Program* program, char* log) {
    std::strcpy(log, program->log.c_str());
    return SUCCESS;
}
API nvrtcGetCUBINSize(Program* program, size_t* size) {
    *size = program->path.size() + 1;
    return SUCCESS;
}
API nvrtcGetCUBIN(Program* program, char* image) {
    std::strcpy(image, program->path.c_str());
    return SUCCESS;
}
API nvrtcGetPTXSize(Program* program, size_t* size) { return nvrtcGetCUBINSize(program, size); }
API nvrtcGetPTX(Program* program, char* image) { return nvrtcGetCUBIN(program, image); }
