#include "binding/describe_libraries.h"

#include "binding/libtorch_root.h"
#include "core/blas.h"
#include "core/libtorch.h"
#include "device/nvidia_driver.h"
#include "products/cpu_products.h"
#include "permafrost/build_info.h"

namespace permafrost {

namespace {

// libtorch tells its version at run time only within its build settings; older builds leave it out.
std::string loaded_version() {
  const std::string settings = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const size_t at = settings.find(key);
  if (at == std::string::npos) return PERMAFROST_LIBTORCH_VERSION;
  const size_t begin = at + key.size();
  return settings.substr(begin, settings.find_first_of(", \n", begin) - begin);
}

Napi::Value optional_string(Napi::Env env, const std::string& text) {
  return text.empty() ? env.Null() : Napi::Value(Napi::String::New(env, text));
}

Napi::Value optional_number(Napi::Env env, std::optional<double> number) {
  return number ? Napi::Value(Napi::Number::New(env, *number)) : env.Null();
}

std::string openblas_threading() {
  switch (openblas_threads()) {
    case OpenBlasThreads::sequential:
      return "sequential";
    case OpenBlasThreads::own:
      return "pthread";
    case OpenBlasThreads::openmp:
      return "openmp";
    case OpenBlasThreads::none:
      break;
  }
  return "";
}

Napi::Object describe_blas(Napi::Env env) {
  Napi::Object blas = Napi::Object::New(env);
  void* openblas = dependency_symbol("openblas_get_parallel");
  void* any = openblas != nullptr ? openblas : dependency_symbol("sgemm_");
  blas.Set("name", optional_string(env, blas_name()));
  blas.Set("path", optional_string(env, file_of(any)));
  blas.Set("threading", optional_string(env, openblas_threading()));
  return blas;
}

// CUDA version of the runtime library in this process, 1000 * major + 10 * minor; nothing in a CPU build.
std::optional<double> cuda_runtime() {
  const auto get_version = reinterpret_cast<int (*)(int*)>(dependency_symbol("cudaRuntimeGetVersion"));
  int version = 0;
  if (get_version == nullptr || get_version(&version) != 0) return std::nullopt;
  return version;
}

}  // namespace

Napi::Object describe_libtorch(Napi::Env env) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("builtVersion", PERMAFROST_LIBTORCH_VERSION);
  value.Set("root", libtorch_root());
  value.Set("loadedVersion", loaded_version());
  value.Set("loadedPath", file_of(reinterpret_cast<const void*>(&at::show_config)));
  value.Set("hasCuda", at::globalContext().hasCUDA());
  value.Set("isCudaBuild", static_cast<bool>(PERMAFROST_LIBTORCH_HAS_CUDA));
  value.Set("cudaRuntime", optional_number(env, cuda_runtime()));
#if defined(_GLIBCXX_USE_CXX11_ABI)
  value.Set("cxx11Abi", static_cast<bool>(_GLIBCXX_USE_CXX11_ABI));
#else
  value.Set("cxx11Abi", env.Null());
#endif
  value.Set("blas", describe_blas(env));
  Napi::Array products = Napi::Array::New(env);
  CpuProducts known(cpu_kernels(), at::kFloat);
  for (const ProductLibrary* library : known.libraries()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("library", library->name());
    entry.Set("description", library->description());
    products.Set(products.Length(), entry);
  }
  value.Set("products", products);
  return value;
}

Napi::Value describe_driver(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const NvidiaDriver driver = describe_nvidia_driver();
  Napi::Array cards = Napi::Array::New(env);
  for (const NvidiaCard& card : driver.cards) {
    Napi::Object value = Napi::Object::New(env);
    value.Set("name", card.name);
    value.Set("busId", card.bus_id);
    value.Set("computeCapability", std::to_string(card.capability_major) + "." + std::to_string(card.capability_minor));
    value.Set("memoryBytes", static_cast<double>(card.memory_bytes));
    cards.Set(cards.Length(), value);
  }
  Napi::Object value = Napi::Object::New(env);
  value.Set("version", optional_string(env, driver.version));
  value.Set("cudaVersion", driver.cuda_version == 0 ? env.Null() : Napi::Value(Napi::Number::New(env, driver.cuda_version)));
  value.Set("cards", cards);
  value.Set("problem", optional_string(env, driver.problem));
  return value;
}

Napi::Value describe_card_energy(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const CardEnergy energy = read_card_energy(info[0].As<Napi::Number>().Int32Value());
  Napi::Object value = Napi::Object::New(env);
  value.Set("joules", optional_number(env, energy.joules));
  value.Set("watts", optional_number(env, energy.watts));
  return value;
}

}  // namespace permafrost
