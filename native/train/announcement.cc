#include "train/announcement.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "core/error.h"

namespace permafrost {

namespace {

// What of an announcement has one size on every rank.
struct Fixed {
  int64_t shares, rows, first, longest, flags;
};

template <typename Element>
void append(Bytes& bytes, const Element* elements, size_t count) {
  const auto* begin = reinterpret_cast<const uint8_t*>(elements);
  bytes.insert(bytes.end(), begin, begin + count * sizeof(Element));
}

template <typename Element>
std::vector<Element> take(const Bytes& bytes, size_t& place, int64_t count) {
  const size_t size = static_cast<size_t>(count) * sizeof(Element);
  check(count >= 0 && size <= bytes.size() - place, ErrorCode::INTERNAL,
        "What a rank told of its step is shorter than it says. Start all ranks with the same version.");
  std::vector<Element> elements(static_cast<size_t>(count));
  std::memcpy(elements.data(), bytes.data() + place, size);
  place += size;
  return elements;
}

Bytes written(const Announcement& own) {
  const Fixed fixed{static_cast<int64_t>(own.shares.size()), static_cast<int64_t>(own.rows.size()), own.first, own.longest,
                    own.flags};
  Bytes bytes;
  append(bytes, &fixed, 1);
  append(bytes, own.shares.data(), own.shares.size());
  append(bytes, own.rows.data(), own.rows.size());
  return bytes;
}

Announcement read(const Bytes& bytes) {
  size_t place = 0;
  const Fixed fixed = take<Fixed>(bytes, place, 1).front();
  Announcement one;
  one.shares = take<ShareFacts>(bytes, place, fixed.shares);
  one.rows = take<int32_t>(bytes, place, fixed.rows);
  one.first = fixed.first;
  one.longest = fixed.longest;
  one.flags = static_cast<uint32_t>(fixed.flags);
  return one;
}

}  // namespace

Announcement announce(Collective& collective, const Announcement& own, int64_t leaves) {
  Announcement all;
  for (const Bytes& bytes : collective.gather(written(own))) {
    const Announcement one = read(bytes);
    const auto before = static_cast<int64_t>(all.shares.size());
    check(one.first == before, ErrorCode::INVALID_BATCH, "Shares of a batch: expected those of the next rank to begin with ",
          "number ", before, ", got ", one.first, ".");
    all.shares.insert(all.shares.end(), one.shares.begin(), one.shares.end());
    all.longest = std::max(all.longest, one.longest);
    all.flags |= one.flags;
    unite(all.rows, one.rows);
  }
  check(static_cast<int64_t>(all.shares.size()) == leaves, ErrorCode::INVALID_BATCH, "Shares of a batch: expected ", leaves,
        " of all ranks together, got ", all.shares.size(), ".");
  return all;
}

std::vector<double> gather_numbers(Collective& collective, const std::vector<double>& own) {
  Bytes bytes;
  append(bytes, own.data(), own.size());
  std::vector<double> all;
  for (const Bytes& of_rank : collective.gather(bytes)) {
    size_t place = 0;
    const std::vector<double> numbers =
        take<double>(of_rank, place, static_cast<int64_t>(of_rank.size() / sizeof(double)));
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return all;
}

void unite(std::vector<int32_t>& rows, const std::vector<int32_t>& others) {
  std::vector<int32_t> all;
  all.reserve(rows.size() + others.size());
  std::set_union(rows.begin(), rows.end(), others.begin(), others.end(), std::back_inserter(all));
  rows = std::move(all);
}

}  // namespace permafrost
