// NVRTC and the driver as a library that does nothing but to remember: for tests without a card. `fake_cuda_log` gives
// what was asked of it, one line a call.
#include <cstdint>
#include <cstring>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Program {
  std::string source, architecture, log;
  std::vector<std::string> names, lowered;
};

std::string calls;
std::string given;
int capability = 90;
std::string refused_image;
thread_local bool has_context = true;
std::set<std::string> kept;

// Several threads compile at once.
void note(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  calls += line + "\n";
}

void copy(const std::string& text, char* to) { std::memcpy(to, text.data(), text.size()); }

std::string image_of(const Program& program) {
  std::string image = "image for " + program.architecture + ":";
  for (const std::string& name : program.names) image += " " + name;
  // With a zero inside, as cubins have.
  return image + std::string("\0end", 4);
}

}  // namespace

extern "C" {

const char* fake_cuda_log() {
  given.swap(calls);
  calls.clear();
  return given.c_str();
}
void fake_cuda_set_capability(int value) { capability = value; }
// Images that hold this text are not loaded; empty: all are.
void fake_cuda_refuse(const char* text) { refused_image = text; }

// Whether the thread has a current context.
void fake_cuda_set_context(int has) { has_context = has != 0; }

int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 7;
  return 0;
}
int nvrtcGetNumSupportedArchs(int* count) {
  *count = 2;
  return 0;
}
int nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80;
  archs[1] = 90;
  return 0;
}
int nvrtcCreateProgram(void** program, const char* source, const char* name, int headers, const char* const*, const char* const*) {
  auto* made = new Program;
  made->source = std::string(name) + ": " + source;
  note("create " + std::string(name) + " with " + (headers > 0 ? "headers" : "no headers"));
  *program = made;
  return 0;
}
int nvrtcDestroyProgram(void** program) {
  delete static_cast<Program*>(*program);
  *program = nullptr;
  return 0;
}
int nvrtcAddNameExpression(void* program, const char* name) {
  static_cast<Program*>(program)->names.push_back(name);
  return 0;
}
int nvrtcCompileProgram(void* program, int count, const char* const* options) {
  auto* own = static_cast<Program*>(program);
  for (int i = 0; i < count; ++i) {
    const std::string option = options[i];
    if (option.rfind("--gpu-architecture=", 0) == 0) own->architecture = option.substr(19);
  }
  for (const std::string& name : own->names) {
    if (name.find("broken") != std::string::npos) {
      own->log = name + " is broken";
      return 6;
    }
  }
  note("compile for " + own->architecture);
  return 0;
}
int nvrtcGetProgramLogSize(void* program, size_t* size) {
  *size = static_cast<Program*>(program)->log.size() + 1;
  return 0;
}
int nvrtcGetProgramLog(void* program, char* log) {
  const std::string& text = static_cast<Program*>(program)->log;
  std::memcpy(log, text.c_str(), text.size() + 1);
  return 0;
}
int nvrtcGetCUBINSize(void* program, size_t* size) {
  *size = image_of(*static_cast<Program*>(program)).size();
  return 0;
}
int nvrtcGetCUBIN(void* program, char* image) {
  copy(image_of(*static_cast<Program*>(program)), image);
  return 0;
}
int nvrtcGetPTXSize(void* program, size_t* size) { return nvrtcGetCUBINSize(program, size); }
int nvrtcGetPTX(void* program, char* image) { return nvrtcGetCUBIN(program, image); }
int nvrtcGetLoweredName(void* program, const char* name, const char** lowered) {
  auto* own = static_cast<Program*>(program);
  own->lowered.reserve(64);
  own->lowered.push_back("_Z" + std::string(name));
  *lowered = own->lowered.back().c_str();
  return 0;
}
const char* nvrtcGetErrorString(int result) { return result == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }

int cuCtxGetCurrent(void** context) {
  *context = has_context ? &calls : nullptr;
  return 0;
}
int cuDeviceGet(int* device, int number) {
  *device = 100 + number;
  return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
  note("retain " + std::to_string(device));
  *context = &calls;
  return 0;
}
int cuCtxSetCurrent(void* context) {
  has_context = context == &calls;
  return 0;
}
int cuCtxGetDevice(int* device) {
  if (!has_context) return 201;
  *device = 0;
  return 0;
}
int cuDeviceGetAttribute(int* value, int which, int) {
  *value = which == 75 ? capability / 10 : which == 76 ? capability % 10 : which == 97 ? 232448 : 0;
  return 0;
}
int cuModuleLoadData(void** module, const void* image) {
  const std::string text = static_cast<const char*>(image);
  if (!refused_image.empty() && text.find(refused_image) != std::string::npos) return 209;
  note("load " + text);
  *module = const_cast<char*>(kept.insert(text).first->c_str());
  return 0;
}
int cuModuleGetFunction(void** function, void*, const char* symbol) {
  *function = const_cast<char*>(kept.insert(symbol).first->c_str());
  return 0;
}
int cuFuncSetAttribute(void* function, int which, int value) {
  note("attribute " + std::to_string(which) + " of " + static_cast<const char*>(function) + ": " + std::to_string(value));
  return 0;
}
int cuFuncLoad(void* function) {
  note("ready " + std::string(static_cast<const char*>(function)));
  return 0;
}
int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned block, unsigned, unsigned, unsigned shared,
                   void* stream, void** arguments, void**) {
  std::ostringstream line;
  line << "launch " << static_cast<const char*>(function) << " <" << x << " " << y << " " << z << ", " << block << ", "
       << shared << "> on " << reinterpret_cast<uintptr_t>(stream) << ":";
  // The test's kernel takes a pointer, an i64, a float and an i32.
  line << " " << *static_cast<void**>(arguments[0]) << " " << *static_cast<int64_t*>(arguments[1]) << " "
       << *static_cast<float*>(arguments[2]) << " " << *static_cast<int32_t*>(arguments[3]);
  note(line.str());
  return x == 13 ? 719 : 0;
}
int cuGetErrorString(int result, const char** words) {
  *words = result == 719 ? "unspecified launch failure" : "no kernel image is available";
  return 0;
}
}
