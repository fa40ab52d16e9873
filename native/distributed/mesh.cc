#include "distributed/mesh.h"

#include <unistd.h>

#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/interruption.h"
#include "distributed/sha256.h"
#include "permafrost/build_info.h"

namespace permafrost {

namespace {

constexpr size_t kNonce = 32;
constexpr char kGreeting[] = "permafrost ranks 1";
constexpr double kHandshakeSeconds = 5;
constexpr double kDialSeconds = 30;
constexpr auto kMostPause = std::chrono::milliseconds(100);

// What a rank tells of itself in the store.
struct Card {
  Member member;
  int size = 0;
  std::string version, identity, address, local_name;
  int port = 0;
};

std::string written(const Card& card) {
  std::ostringstream out;
  out << card.version << '\n' << card.size << '\n' << card.member.host << '\n' << card.member.pid << '\n'
      << card.member.device << '\n' << card.identity << '\n' << card.address << '\n' << card.port << '\n' << card.local_name;
  return out.str();
}

Card read_card(int rank, const std::string& text) {
  std::istringstream in(text);
  std::string size, pid, port;
  Card card;
  card.member.rank = rank;
  for (std::string* field : {&card.version, &size, &card.member.host, &pid, &card.member.device, &card.identity,
                             &card.address, &port, &card.local_name}) {
    std::getline(in, *field);
  }
  card.size = std::atoi(size.c_str());
  card.member.pid = std::atoll(pid.c_str());
  card.port = std::atoi(port.c_str());
  return card;
}

// The how-manieth meeting of this rank it is, so that a later one finds no keys of an earlier one.
int64_t round_of(const MeetingOptions& options) {
  static std::mutex mutex;
  static auto& rounds = *new std::map<std::string, int64_t>;
  std::ostringstream key;
  key << options.store.host << ' ' << options.store.port << ' ' << options.prefix << ' ' << options.rank;
  const std::lock_guard<std::mutex> lock(mutex);
  return rounds[key.str()]++;
}

class Meeting {
 public:
  explicit Meeting(const MeetingOptions& options)
      : options_(options),
        deadline_(seconds_from_now(options.first_timeout)),
        store_(options.store, options.prefix + "/" + std::to_string(round_of(options)), deadline_) {}

  Mesh run() {
    try {
      return connect_all();
    } catch (const Error& error) {
      tell_others(error);
      throw;
    }
  }

 private:
  Mesh connect_all() {
    const Listener listener = listen_at(options_.bind.empty() ? store_.local_address() : options_.bind);
    present(listener);
    read_cards();
    mesh_.rank = options_.rank;
    mesh_.data.resize(static_cast<size_t>(options_.size));
    mesh_.control.resize(static_cast<size_t>(options_.size));
    for (const Card& card : cards_) mesh_.members.push_back(card.member);
    for (int other = 0; other < options_.rank; ++other) {
      mesh_.data[other] = connect(other, 0);
      mesh_.control[other] = connect(other, 1);
    }
    while (const int missing = first_missing()) accept(listener, missing);
    return std::move(mesh_);
  }

  void present(const Listener& listener) {
    if (options_.rank == 0) store_.set("secret", random_bytes(32));
    const int64_t times = store_.count("claim/" + std::to_string(options_.rank));
    check(times == 1, ErrorCode::INVALID_OPTION, "Another process is rank ", options_.rank,
          " already. Give each process a rank of its own, and each start of all of them another port or prefix.");
    Card card;
    card.member = {options_.rank, host_name(), getpid(), options_.device};
    card.size = options_.size;
    card.version = PERMAFROST_VERSION;
    card.identity = listener.local_name.empty() || !options_.is_local_allowed ? "" : host_identity();
    card.address = listener.address;
    card.port = listener.port;
    card.local_name = listener.local_name;
    store_.set("rank/" + std::to_string(options_.rank), written(card));
  }

  void read_cards() {
    auto pause = std::chrono::milliseconds(1);
    while (static_cast<int>(cards_.size()) < options_.size) {
      const int next = static_cast<int>(cards_.size());
      if (const auto text = store_.get("rank/" + std::to_string(next))) {
        cards_.push_back(read_card(next, *text));
        check_alike(cards_.back());
        continue;
      }
      if (Clock::now() >= deadline_) {
        std::ostringstream absent;
        for (int rank = next; rank < options_.size; ++rank) {
          if (!store_.get("rank/" + std::to_string(rank))) absent << (absent.tellp() > 0 ? ", " : "") << rank;
        }
        fail(ErrorCode::RANK_FAILED, "Of ", options_.size, " ranks these did not come within ", options_.first_timeout,
             " s: ", absent.str(), ". Start all of them, or look at what they printed.");
      }
      pause_or_stop(pause);
      pause = std::min(pause * 2, kMostPause);
    }
    secret_ = store_.get("secret").value_or("") + options_.secret;
  }

  void check_alike(const Card& card) const {
    const std::string here = describe({options_.rank, host_name(), getpid(), ""});
    check(card.version == PERMAFROST_VERSION, ErrorCode::RANKS_DIVERGED, "permafrost is ", card.version, " for ",
          describe(card.member), ", ", PERMAFROST_VERSION, " for ", here, ". Install one version everywhere.");
    check(card.size == options_.size, ErrorCode::RANKS_DIVERGED, "There are ", card.size, " ranks for ",
          describe(card.member), ", ", options_.size, " for ", here, ". Start all of them with one command.");
    const auto kind = [](const std::string& device) { return device.substr(0, device.find(':')); };
    check(kind(card.member.device) == kind(options_.device), ErrorCode::RANKS_DIVERGED, "The device is ",
          card.member.device, " for ", describe(card.member), ", ", options_.device, " for ", here,
          ". Take cards on all ranks, or CPUs on all.");
  }

  // What both ends of a connection prove, for a pair of nonces.
  Digest proof(const char* side, int from, int to, int channel, const std::string& nonces) const {
    std::ostringstream message;
    message << kGreeting << ' ' << side << ' ' << from << ' ' << to << ' ' << channel << ' ' << nonces;
    return hmac_sha256(secret_, message.str());
  }

  static bool is_here(const Card& card) { return !card.identity.empty() && card.identity == host_identity(); }

  Descriptor dial(const Card& card) const {
    if (is_here(card)) return connect_local(card.local_name);
    return connect_tcp(card.address, card.port, std::min(deadline_, seconds_from_now(kDialSeconds)));
  }

  Descriptor connect(int other, int channel) {
    const Card& card = cards_[static_cast<size_t>(other)];
    Descriptor socket = dial(card);
    check(socket.is_open(), ErrorCode::RANK_FAILED, describe(card.member), " cannot be reached at ",
          is_here(card) ? "its local socket" : card.address + ":" + std::to_string(card.port), " from ", host_name(),
          ". If it ended, look at what it printed; else have it listen at an address that the others reach (`bind`).");
    std::string theirs(kNonce, '\0'), answer(sizeof(Digest), '\0');
    const std::string mine = random_bytes(kNonce);
    check_handshake(receive_all(socket.get(), theirs, deadline_), card);
    const Digest shown = proof("connects", options_.rank, other, channel, theirs + mine);
    std::string hello(1, static_cast<char>(channel));
    for (int shift = 0; shift < 32; shift += 8) hello += static_cast<char>(options_.rank >> shift);
    hello += mine + std::string(shown.begin(), shown.end());
    check_handshake(send_all(socket.get(), hello, deadline_), card);
    check_handshake(receive_all(socket.get(), answer, deadline_), card);
    const Digest expected = proof("accepts", options_.rank, other, channel, theirs + mine);
    check_handshake(std::equal(expected.begin(), expected.end(), reinterpret_cast<const uint8_t*>(answer.data())), card);
    return socket;
  }

  void check_handshake(bool holds, const Card& card) {
    if (holds) return;
    throw_if_told();
    fail(ErrorCode::RANK_FAILED, describe(card.member), " ended, or knows another secret than ",
         describe({options_.rank, host_name(), getpid(), ""}), ". Give all ranks the same secret.");
  }

  // The lowest rank whose connections have not come; 0 where all have.
  int first_missing() const {
    for (int other = options_.rank + 1; other < options_.size; ++other) {
      if (!mesh_.data[other].is_open() || !mesh_.control[other].is_open()) return other;
    }
    return 0;
  }

  void accept(const Listener& listener, int missing) {
    check(Clock::now() < deadline_, ErrorCode::RANK_FAILED, describe(mesh_.members[missing]), " did not connect within ",
          options_.first_timeout, " s.");
    wait_readable({listener.tcp.get(), listener.local.get()}, deadline_);
    interruption_point();
    throw_if_told();
    // One that ended meanwhile listens no more. Asked more and more seldom: it need not be ready to accept.
    if (Clock::now() > next_probe_) {
      probe_pause_ *= 2;
      next_probe_ = Clock::now() + probe_pause_;
      check(dial(cards_[static_cast<size_t>(missing)]).is_open(), ErrorCode::RANK_FAILED,
            describe(mesh_.members[static_cast<size_t>(missing)]), " ended before all ranks were connected.");
    }
    for (const int from : {listener.tcp.get(), listener.local.get()}) {
      if (from < 0) continue;
      Descriptor socket = accept_from(from);
      if (socket.is_open()) shake_hands(std::move(socket));
    }
  }

  // Keeps a connection of a rank that knows the secret, and drops any other one.
  void shake_hands(Descriptor socket) {
    const Deadline soon = seconds_from_now(kHandshakeSeconds);
    const std::string mine = random_bytes(kNonce);
    std::string hello(1 + 4 + kNonce + sizeof(Digest), '\0');
    if (!send_all(socket.get(), mine, soon) || !receive_all(socket.get(), hello, soon)) return;
    const int channel = hello[0];
    int other = 0;
    for (int i = 0; i < 4; ++i) other |= static_cast<uint8_t>(hello[1 + i]) << (8 * i);
    if (channel < 0 || channel > 1 || other <= options_.rank || other >= options_.size) return;
    const std::string nonces = mine + hello.substr(5, kNonce);
    Digest shown;
    std::copy(hello.end() - sizeof(Digest), hello.end(), shown.begin());
    if (!equal_digests(shown, proof("connects", other, options_.rank, channel, nonces))) return;
    const Digest answer = proof("accepts", other, options_.rank, channel, nonces);
    if (!send_all(socket.get(), std::string(answer.begin(), answer.end()), soon)) return;
    (channel == 0 ? mesh_.data : mesh_.control)[static_cast<size_t>(other)] = std::move(socket);
  }

  void pause_or_stop(std::chrono::milliseconds pause) {
    interruption_point();
    throw_if_told();
    std::this_thread::sleep_for(pause);
  }

  // A rank that gives up while they meet leaves word for those that wait for it.
  void tell_others(const Error& error) {
    try {
      if (store_.count("failures") == 1) store_.set("failure", std::string(code_name(error.code())) + '\n' + error.what());
    } catch (const Error&) {
      // The store is gone, and with it rank 0: the others notice.
    }
  }

  void throw_if_told() {
    std::optional<std::string> told;
    try {
      told = store_.get("failure");
    } catch (const Error&) {
      // Once the ranks are presented, the store may go before all are connected.
      if (mesh_.members.empty()) throw;
    }
    if (!told) return;
    const size_t end = told->find('\n');
    const bool diverged = told->substr(0, end) == code_name(ErrorCode::RANKS_DIVERGED);
    fail(diverged ? ErrorCode::RANKS_DIVERGED : ErrorCode::RANK_FAILED, told->substr(end + 1));
  }

  const MeetingOptions& options_;
  const Deadline deadline_;
  Store store_;
  std::vector<Card> cards_;
  std::string secret_;
  Clock::duration probe_pause_ = std::chrono::seconds(1);
  Clock::time_point next_probe_ = Clock::now() + probe_pause_;
  Mesh mesh_;
};

}  // namespace

std::string describe(const Member& member) {
  std::ostringstream out;
  out << "rank " << member.rank << " (" << member.host << ", process " << member.pid << ")";
  return out.str();
}

Mesh meet(const MeetingOptions& options) {
  check(options.size >= 1 && options.rank >= 0 && options.rank < options.size, ErrorCode::INVALID_OPTION,
        "`rank`: expected 0 to ", options.size - 1, ", got ", options.rank, ".");
  if (options.size == 1) {
    Mesh alone;
    alone.members.push_back({0, host_name(), getpid(), options.device});
    alone.data.resize(1);
    alone.control.resize(1);
    return alone;
  }
  return Meeting(options).run();
}

}  // namespace permafrost
