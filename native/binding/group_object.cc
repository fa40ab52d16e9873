#include "binding/group_object.h"

#include <utility>
#include <vector>

#include "binding/decode.h"
#include "binding/encode.h"
#include "binding/environment.h"
#include "binding/error_to_js.h"
#include "binding/promise_job.h"
#include "core/error.h"

namespace permafrost {

namespace {

// Marks the objects of this kind, so that no other object is taken for one.
constexpr napi_type_tag kTypeTag = {0x70656d6166726f73, 0x72616e6b67726f75};

MeetingOptions decode_meeting(const Napi::Value& value) {
  const Napi::Object object = decode_object(value, "group");
  MeetingOptions options;
  options.rank = static_cast<int>(decode_int(object.Get("rank"), "rank"));
  options.size = static_cast<int>(decode_int(object.Get("size"), "size"));
  options.store.host = decode_string(object.Get("host"), "host");
  options.store.port = static_cast<int>(decode_int(object.Get("port"), "port"));
  options.store.serves = decode_bool(object.Get("serves"), "serves");
  options.prefix = decode_string(object.Get("prefix"), "prefix");
  options.bind = decode_string(object.Get("bind"), "bind");
  options.secret = decode_string(object.Get("secret"), "secret");
  options.device = decode_string(object.Get("device"), "device");
  options.first_timeout = decode_number(object.Get("firstTimeoutSeconds"), "firstTimeoutSeconds");
  options.timeout = decode_number(object.Get("timeoutSeconds"), "timeoutSeconds");
  return options;
}

Napi::Value members_value(Napi::Env env, const std::vector<Member>& members) {
  Napi::Array array = Napi::Array::New(env);
  for (const Member& member : members) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("rank", member.rank);
    object.Set("host", member.host);
    object.Set("pid", static_cast<double>(member.pid));
    object.Set("device", member.device);
    array.Set(array.Length(), object);
  }
  return array;
}

Napi::Value all_bytes_value(Napi::Env env, const std::vector<Bytes>& all) {
  Napi::Array array = Napi::Array::New(env);
  for (const Bytes& bytes : all) {
    Napi::Uint8Array copy = Napi::Uint8Array::New(env, bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.Data());
    array.Set(array.Length(), copy);
  }
  return array;
}

class GroupObject : public Napi::ObjectWrap<GroupObject> {
 public:
  static Napi::Value wrap(Napi::Env env, const GroupHandle& handle) {
    Napi::Function type = DefineClass(env, "Group", {InstanceMethod<&GroupObject::gather>("gather"),
                                                     InstanceMethod<&GroupObject::bytes_sent>("bytesSent"),
                                                     InstanceMethod<&GroupObject::leave>("leave")});
    Napi::Object object = type.New({});
    Unwrap(object)->handle_ = handle;
    object.Set("rank", handle.group.host->rank());
    object.Set("size", handle.group.host->size());
    object.Set("members", members_value(env, handle.group.host->members()));
    object.TypeTag(&kTypeTag);
    return object;
  }
  explicit GroupObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GroupObject>(info) {}
  ~GroupObject() override {
    // Does not wait: whoever still stands in a call keeps what it needs.
    if (handle_.thread) handle_.thread->abandon();
  }

  const GroupHandle& handle() const { return handle_; }

 private:
  Napi::Value gather(const Napi::CallbackInfo& info) {
    Bytes bytes;
    guarded(info.Env(), [&] { bytes = decode_bytes(info[0], "bytes"); });
    return promise_job(
        info.Env(), handle_.thread,
        [group = handle_.group, bytes = std::move(bytes)](EngineState&) { return group.collective->gather(bytes); },
        all_bytes_value);
  }

  Napi::Value bytes_sent(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(handle_.group.collective->bytes_sent()));
  }

  Napi::Value leave(const Napi::CallbackInfo& info) {
    std::string reason;
    guarded(info.Env(), [&] { reason = decode_string(info[0], "reason"); });
    // At once: the thread may stand in a call that waits for others, and now ends.
    handle_.group.host->watch().announce_leaving(reason);
    return promise_job(
        info.Env(), handle_.thread,
        [group = handle_.group, reason](EngineState&) {
          group.host->leave(reason);
          return Nothing();
        },
        undefined);
  }

  GroupHandle handle_;
};

}  // namespace

Napi::Value join_group_value(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  MeetingOptions options;
  std::shared_ptr<Engine> thread;
  guarded(env, [&] {
    options = decode_meeting(info[0]);
    thread = Engine::start(1);
  });
  Environment::of(env)->add(thread);
  return promise_job(
      env, thread,
      [options, thread](EngineState&) {
        try {
          return GroupHandle{join_group(options), thread};
        } catch (...) {
          thread->stop();
          throw;
        }
      },
      [](Napi::Env env, const GroupHandle& handle) { return GroupObject::wrap(env, handle); });
}

std::shared_ptr<Collective> collective_of(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  check(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kTypeTag), ErrorCode::INVALID_OPTION,
        "group: expected a Group.");
  return Napi::ObjectWrap<GroupObject>::Unwrap(value.As<Napi::Object>())->handle().group.collective;
}

}  // namespace permafrost
