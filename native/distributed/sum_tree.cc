#include "distributed/sum_tree.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace permafrost {

namespace {

// Elements that are added up at a time, so that sums on the way stay in the first cache.
constexpr int64_t kBlock = 1024;

int plan_node(const std::vector<Leaves>& partials, Leaves node, SumTree& tree, size_t& used) {
  const auto found = std::find_if(partials.begin(), partials.end(), [&](const Leaves& partial) {
    return partial.first == node.first && partial.count == node.count;
  });
  if (found != partials.end()) {
    ++used;
    return static_cast<int>(found - partials.begin());
  }
  check(node.count > 1, ErrorCode::INTERNAL, "Leaf ", node.first, " of a sum is missing, or given as a part of no node.");
  int64_t left = 1;
  while (2 * left < node.count) left *= 2;
  const int a = plan_node(partials, {node.first, left}, tree, used);
  const int b = plan_node(partials, {node.first + left, node.count - left}, tree, used);
  tree.additions.push_back({a, b, tree.values});
  return tree.values++;
}

template <typename T>
void add_block(const SumTree& tree, const std::vector<const char*>& values, char* sum, int64_t from, int64_t count,
               std::vector<T>& made) {
  const int partials = static_cast<int>(values.size());
  const auto value = [&](int number) {
    return number < partials ? reinterpret_cast<const T*>(values[static_cast<size_t>(number)]) + from
                             : &made[static_cast<size_t>((number - partials) * kBlock)];
  };
  T* const target = reinterpret_cast<T*>(sum) + from;
  for (const SumTree::Addition& addition : tree.additions) {
    const T* a = value(addition.a);
    const T* b = value(addition.b);
    T* to = addition.sum == tree.root ? target : &made[static_cast<size_t>((addition.sum - partials) * kBlock)];
    for (int64_t i = 0; i < count; ++i) to[i] = a[i] + b[i];
  }
  if (tree.additions.empty() && target != value(tree.root)) {
    std::memcpy(target, value(tree.root), static_cast<size_t>(count) * sizeof(T));
  }
}

template <typename T>
void add_all(const SumTree& tree, const std::vector<const char*>& values, char* sum, int64_t bytes) {
  std::vector<T> made(tree.additions.size() * kBlock);
  const int64_t elements = bytes / static_cast<int64_t>(sizeof(T));
  for (int64_t from = 0; from < elements; from += kBlock) {
    add_block<T>(tree, values, sum, from, std::min(kBlock, elements - from), made);
  }
}

}  // namespace

SumTree plan_sum(const std::vector<Leaves>& partials, int64_t leaves) {
  SumTree tree;
  tree.values = static_cast<int>(partials.size());
  size_t used = 0;
  tree.root = plan_node(partials, {0, leaves}, tree, used);
  check(used == partials.size(), ErrorCode::INTERNAL, "Leaves of a sum were given twice.");
  return tree;
}

Layout::Layout(const std::vector<at::Tensor>& tensors) {
  for (const at::Tensor& tensor : tensors) {
    const at::ScalarType type = tensor.scalar_type();
    check(tensor.is_contiguous() && tensor.device().is_cpu(), ErrorCode::INTERNAL,
          "Tensors to exchange have to be contiguous and in memory.");
    items_.push_back({bytes_, static_cast<int64_t>(tensor.nbytes()), type});
    bytes_ += (items_.back().bytes + 7) & ~int64_t{7};
  }
}

std::vector<Segment> Layout::segments(int64_t begin, int64_t end) const {
  std::vector<Segment> found;
  const auto first = std::upper_bound(items_.begin(), items_.end(), begin, [](int64_t at, const Item& item) { return at < item.at; });
  for (size_t i = static_cast<size_t>(first - items_.begin()) - (first != items_.begin()); i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (item.at >= end) break;
    const int64_t from = std::max(begin, item.at), to = std::min(end, item.at + item.bytes);
    if (from < to) found.push_back({i, from - item.at, from, to - from});
  }
  return found;
}

uint64_t Layout::digest() const {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const Item& item : items_) {
    hash = (hash ^ static_cast<uint64_t>(item.bytes)) * 0x100000001b3u;
    hash = (hash ^ static_cast<uint64_t>(item.type)) * 0x100000001b3u;
  }
  return hash;
}

void add_up(const SumTree& tree, at::ScalarType type, const std::vector<const char*>& values, char* sum, int64_t bytes) {
  switch (type) {
    case at::kFloat:
      return add_all<float>(tree, values, sum, bytes);
    case at::kDouble:
      return add_all<double>(tree, values, sum, bytes);
    case at::kLong:
      return add_all<int64_t>(tree, values, sum, bytes);
    default:
      fail(ErrorCode::INTERNAL, "Tensors of this type are not summed: ", c10::toString(type), ".");
  }
}

}  // namespace permafrost
