#include "distributed/store.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "core/error.h"
#include "core/interruption.h"
#include "core/libtorch.h"
#include "distributed/store_server.h"

namespace permafrost {

// As libtorch before 2.2 numbers them; later they are higher by one, for VALIDATE stands before them.
enum class Store::Query : uint8_t { set = 0, get = 2, add = 3, check = 4 };

namespace {

constexpr auto kRetry = std::chrono::milliseconds(50);
// What answers at once while it lives.
constexpr double kAnswerSeconds = 30;
constexpr uint64_t kMostBytes = uint64_t{1} << 26;

// VALIDATE with its number, and PING (since 2.4) with a number that comes back. An early store takes the first byte for SET
// and the following eight for the length of a key, which none has: it hangs up, as one does that knows no PING.
constexpr char kValidate[] = "\x00\xce\xf7\x85\x3c", kPing[] = "\x0d\xff\xff\xff\xff";
constexpr size_t kWords = 5, kEchoBytes = 4;
constexpr bool kIsLate = PERMAFROST_LIBTORCH_AT_LEAST(2, 2);

template <typename Number>
std::string bytes_of(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

template <typename Number>
Number number_of(const std::string& bytes) {
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

std::string counted(const std::string& text) { return bytes_of<uint64_t>(text.size()) + text; }

}  // namespace

Store::Store(const StoreAddress& address, const std::string& prefix, Deadline deadline)
    : prefix_(prefix + "/"), deadline_(deadline) {
  if (address.serves) serve_store(address.host, address.port, deadline);
  while (!connect(address)) {
    interruption_point();
    check(Clock::now() < deadline, ErrorCode::RANK_FAILED, "Nobody serves the store of the ranks at ", address.host, ":",
          address.port, " in time. Start rank 0 there, or correct the address.");
    std::this_thread::sleep_for(kRetry);
  }
}

bool Store::connect(const StoreAddress& address) {
  connection_ = connect_tcp(address.host, address.port, answer_by());
  if (!connection_.is_open()) return false;
  if (answers_ping()) return true;
  // Then it is one of this libtorch.
  is_late_ = kIsLate;
  connection_ = connect_tcp(address.host, address.port, answer_by());
  if (!connection_.is_open()) return false;
  try {
    if (is_late_) send({kValidate, kWords});
    has("here");
  } catch (const Error& error) {
    fail(ErrorCode::RANK_FAILED, "What is served at ", address.host, ":", address.port,
         " is not the store of the ranks, or has ended. (", error.what(), ")");
  }
  return true;
}

bool Store::answers_ping() {
  const Deadline soon = answer_by();
  std::string echo(kEchoBytes, '\0');
  const std::string greeting = std::string(kValidate, kWords) + std::string(kPing, kWords);
  return send_all(connection_.get(), greeting, soon) && receive_all(connection_.get(), echo, soon) &&
         echo == std::string(kEchoBytes, '\xff');
}

void Store::set(const std::string& key, const std::string& value) { send(query(Query::set) + full_key(key) + counted(value)); }

bool Store::has(const std::string& key) {
  send(query(Query::check) + bytes_of<uint64_t>(1) + full_key(key));
  const char answer = receive(1)[0];
  if (answer != 0 && answer != 1) lose("answers something else than was asked");
  return answer == 0;
}

std::optional<std::string> Store::get(const std::string& key) {
  if (!has(key)) return std::nullopt;
  send(query(Query::get) + full_key(key));
  const auto length = number_of<uint64_t>(receive(sizeof(uint64_t)));
  if (length > kMostBytes) lose("answers something else than was asked");
  return receive(length);
}

int64_t Store::count(const std::string& key) {
  send(query(Query::add) + full_key(key) + bytes_of<int64_t>(1));
  return number_of<int64_t>(receive(sizeof(int64_t)));
}

std::string Store::query(Query kind) const {
  return std::string(1, static_cast<char>(static_cast<int>(kind) + (is_late_ ? 1 : 0)));
}

// As c10d's clients write them.
std::string Store::full_key(const std::string& key) const { return counted("/" + prefix_ + key); }

void Store::send(const std::string& query) {
  if (!connection_.is_open()) lose("is gone");
  if (!send_all(connection_.get(), query, answer_by())) lose("is gone");
}

std::string Store::receive(size_t bytes) {
  const Deadline soon = answer_by();
  std::string answer(bytes, '\0');
  if (!receive_all(connection_.get(), answer, soon)) lose(Clock::now() < soon ? "is gone" : "does not answer");
  return answer;
}

// Soon, and hardly later than the ranks have for meeting.
Deadline Store::answer_by() const {
  return std::min(seconds_from_now(kAnswerSeconds), std::max(deadline_, seconds_from_now(1)));
}

void Store::lose(const char* how) {
  connection_ = Descriptor();
  fail(ErrorCode::RANK_FAILED, "The store of the ranks ", how, ": rank 0 or its agent ended, or was stopped.");
}

}  // namespace permafrost
