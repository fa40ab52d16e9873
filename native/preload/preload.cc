// The second of the two files of a prebuilt engine: opens shared libraries by their paths.
//
// A prebuilt addon asks for libtorch by name alone, for it cannot know where libtorch lies. The loader takes a library
// that the process holds already for one that is asked for by the same name, wherever it came from, so opening them
// first is all that is needed, and no variable of the environment and no file of the system is touched.
// Needs neither libtorch nor the C++ library: it must load where those are still to be found.
#include <dlfcn.h>
#include <node_api.h>

namespace {

constexpr size_t MAX_PATH_BYTES = 4096;

// open(path): the library stays open until the process ends. Throws with the loader's own message.
napi_value open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  char path[MAX_PATH_BYTES] = "";
  size_t length = 0;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok || count != 1 ||
      napi_get_value_string_utf8(env, argument, path, sizeof path, &length) != napi_ok || length + 1 >= sizeof path) {
    napi_throw_type_error(env, nullptr, "open: expected the path of a library");
    return nullptr;
  }
  // Local, as everything that an addon brings along: its names must not stand before those of other addons.
  if (dlopen(path, RTLD_LAZY | RTLD_LOCAL) == nullptr) napi_throw_error(env, nullptr, dlerror());
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, open, nullptr, &function) != napi_ok ||
      napi_set_named_property(env, exports, "open", function) != napi_ok) {
    napi_throw_error(env, nullptr, "the preloader could not be set up");
  }
  return exports;
}
