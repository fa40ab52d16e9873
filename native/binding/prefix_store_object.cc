#include "binding/prefix_store_object.h"

#include <utility>

#include "binding/decode.h"
#include "binding/error_to_js.h"
#include "core/error.h"

namespace permafrost {

namespace {

// Marks the objects of this class, so that no other object is taken for one.
constexpr napi_type_tag kTypeTag = {0x70656d6166726f73, 0x7072656669787374};

StorePrecision decode_store_precision(const Napi::Value& value) {
  const std::string name = decode_string(value, "precision");
  if (name == "fp32") return StorePrecision::fp32;
  if (name == "bf16") return StorePrecision::bf16;
  check(name == "fp16", ErrorCode::INVALID_OPTION, "precision: expected 'fp32', 'bf16' or 'fp16', got '", name, "'.");
  return StorePrecision::fp16;
}

std::vector<int64_t> decode_depths(const Napi::Value& value) {
  const std::vector<int32_t> depths = decode_int32s(value, "depths");
  return {depths.begin(), depths.end()};
}

}  // namespace

Napi::Function PrefixStoreObject::define(Napi::Env env) {
  return DefineClass(env, "PrefixStore", {InstanceMethod<&PrefixStoreObject::usage>("usage"),
                                           InstanceMethod<&PrefixStoreObject::begin_run>("beginRun"),
                                           InstanceMethod<&PrefixStoreObject::keep>("keep")});
}

PrefixStoreObject::PrefixStoreObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PrefixStoreObject>(info) {
  guarded(info.Env(), [&] {
    const std::vector<int32_t> borders = decode_int32s(info[0], "offsets");
    const Napi::Object object = decode_object(info[1], "prefix store");
    PrefixStoreOptions options;
    options.hidden_size = decode_int(object.Get("hiddenSize"), "hiddenSize");
    options.precision = decode_store_precision(object.Get("precision"));
    options.device_budget = static_cast<size_t>(decode_int(object.Get("deviceBytes"), "deviceBytes"));
    options.memory_budget = static_cast<size_t>(decode_int(object.Get("memoryBytes"), "memoryBytes"));
    options.file_budget = static_cast<size_t>(decode_int(object.Get("fileBytes"), "fileBytes"));
    options.directory = decode_string(object.Get("directory"), "directory");
    options.depths = decode_depths(object.Get("depths"));
    store_ = std::make_shared<PrefixStore>(std::vector<int64_t>(borders.begin(), borders.end()), options);
  });
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

std::shared_ptr<PrefixStore> PrefixStoreObject::unwrap(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  check(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kTypeTag), ErrorCode::INVALID_OPTION,
        "store: expected a PrefixStore.");
  return Napi::ObjectWrap<PrefixStoreObject>::Unwrap(value.As<Napi::Object>())->store_;
}

Napi::Value PrefixStoreObject::usage(const Napi::CallbackInfo& info) {
  const PrefixStore::Usage usage = store_->usage();
  Napi::Object value = Napi::Object::New(info.Env());
  value.Set("examples", static_cast<double>(usage.examples));
  value.Set("memoryBytes", static_cast<double>(usage.memory_bytes));
  value.Set("fileBytes", static_cast<double>(usage.file_bytes));
  value.Set("hits", static_cast<double>(usage.hits));
  value.Set("misses", static_cast<double>(usage.misses));
  value.Set("borrowed", static_cast<double>(usage.borrowed));
  return value;
}

void PrefixStoreObject::keep(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { store_->keep(decode_depths(info[0])); });
}

void PrefixStoreObject::begin_run(const Napi::CallbackInfo&) { store_->begin_run(); }

}  // namespace permafrost
