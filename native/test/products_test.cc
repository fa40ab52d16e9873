// Libraries of products against each other, the choice between them, and weights that stay packed.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "products/cpu_products.h"
#include "products/kept_choice.h"
#include "products/packings.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::thrown_code;

std::vector<std::unique_ptr<ProductLibrary>> libraries() {
  std::vector<std::unique_ptr<ProductLibrary>> all;
  all.push_back(libtorch_products());
  all.push_back(own_products(cpu_kernels()));
  if (auto onednn = onednn_products()) all.push_back(std::move(onednn));
  return all;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = temporary_directory() + "/permafrost-products-XXXXXX";
    expect(mkdtemp(&pattern[0]) != nullptr, "no temporary directory");
    path = pattern;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }

  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
    return files;
  }

  std::string path;
};

Parameter weight_of(const at::Tensor& value) {
  Parameter weight;
  weight.shape = value.sizes().vec();
  weight.value = value;
  return weight;
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance, const std::string& what) {
  if (expected.numel() == 0) return;
  const double difference = (actual - expected).abs().max().item<double>();
  expect(difference <= tolerance, what, " differs by ", difference, ", tolerance ", tolerance);
}

// Multiplies as if it were slow or wrong.
class Disguised : public ProductLibrary {
 public:
  Disguised(const char* name, int times, double factor) : name_(name), times_(times), factor_(factor) {}
  const char* name() const override { return name_; }
  std::string description() const override { return "a test"; }
  bool multiplies(at::ScalarType) const override { return true; }
  void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) override {
    for (int i = 1; i < times_; ++i) at::mm_out(out_MN, a_MK, b_KN);
    inner_->multiply(out_MN, a_MK, b_KN, add);
    if (factor_ != 1) out_MN.mul_(factor_);
  }

 private:
  const char* const name_;
  const int times_;
  const double factor_;
  const std::unique_ptr<ProductLibrary> inner_ = libtorch_products();
};

constexpr ProductShape kShape{768, 256};

TEST("all libraries give one product, of views in any layout, added or not, with and without a packing") {
  const c10::InferenceMode inference;
  at::manual_seed(3);
  for (const auto& library : libraries()) {
    for (const auto& [M, N, K] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
             {1, 1, 1}, {7, 33, 5}, {65, 48, 130}, {0, 8, 8}, {3, 257, 64}, {128, 96, 100}}) {
      for (int layout = 0; layout < 4; ++layout) {
        const at::Tensor a = layout & 1 ? at::randn({K, M + 3}).slice(1, 1, M + 1).t() : at::randn({M, K});
        const at::Tensor b = layout & 2 ? at::randn({N, K}).t() : at::randn({K, N + 5}).slice(1, 2, N + 2);
        const at::Tensor start = at::randn({M, N + 4});
        const at::Tensor expected = at::mm(a.to(at::kDouble), b.to(at::kDouble)).to(at::kFloat);
        const double tolerance = 1e-5 * std::sqrt(static_cast<double>(K)) + 1e-6;
        const std::string what = std::string(library->name()) + " " + std::to_string(M) + "x" + std::to_string(N) + "x" +
                                 std::to_string(K) + " layout " + std::to_string(layout);
        at::Tensor whole = start.clone(), part = whole.slice(1, 1, N + 1);
        library->multiply(part, a, b, true);
        expect_close(part, expected + start.slice(1, 1, N + 1), tolerance, what + " added");
        expect(at::equal(whole.slice(1, N + 1), start.slice(1, N + 1)), what, " wrote beside the result");
        at::Tensor product = at::full({M, N}, NAN);
        library->multiply(product, a, b, false);
        expect_close(product, expected, tolerance, what);
        const auto packed = library->pack(b);
        if (packed == nullptr) continue;
        at::Tensor again = at::full({M, N}, NAN);
        library->multiply_packed(again, a, *packed, false);
        expect_close(again, expected, tolerance, what + " packed");
        if (library->packs_alike()) expect(at::equal(again, product), what, ": packed, it has other bits");
        library->multiply_packed(again, a, *packed, true);
        expect_close(again, 2 * expected, 2 * tolerance, what + " packed, added");
      }
    }
  }
}

TEST("a clearly faster library is taken and kept, a slower or wrong one is not") {
  const c10::InferenceMode inference;
  const TemporaryDirectory directory;
  Disguised slow("slow", 8, 1), fast("fast", 1, 1), wrong("wrong", 1, 1.001);
  const auto choose = [&](std::vector<ProductLibrary*> all) {
    return choose_library(all, kShape, at::kFloat, directory.path);
  };
  const ProductChoice measured = choose({&slow, &fast, &wrong});
  expect(measured.library == &fast && measured.origin == "measured", "took ", measured.library->name());
  expect(choose({&fast, &slow}).library == &fast, "left the usual one for a slower");
  expect(choose({&slow, &wrong}).library == &slow, "took one whose results are others");
  // What is kept holds, whatever the time says now: the names alone are in the key.
  Disguised slow_now("fast", 8, 1), fast_now("slow", 1, 1);
  const ProductChoice kept = choose({&fast_now, &slow_now, &wrong});
  expect(kept.library == &slow_now && kept.origin == "kept", "measured again");
}

TEST("a damaged file of a choice is measured anew") {
  const c10::InferenceMode inference;
  const TemporaryDirectory directory;
  Disguised slow("slow", 8, 1), fast("fast", 1, 1);
  const auto choose = [&] { return choose_library({&slow, &fast}, kShape, at::kFloat, directory.path); };
  choose();
  expect(directory.files().size() == 1, "expected one file");
  for (const char* content : {"", "nonsense", "permafrost products 1\nother\nfast\nend\n"}) {
    std::ofstream(directory.files()[0]) << content;
    expect(choose().origin == "measured", "believed '", content, "'");
    expect(choose().origin == "kept", "kept nothing in place of '", content, "'");
  }
}

TEST("nothing is measured where it cannot be kept or could not pay, and the choice says why") {
  const c10::InferenceMode inference;
  const TemporaryDirectory directory;
  Disguised slow("slow", 8, 1), fast("fast", 1, 1);
  const std::vector<ProductLibrary*> all{&slow, &fast};
  std::ofstream(directory.path + "/file") << "";
  for (const ProductChoice& choice :
       {choose_library(all, kShape, at::kFloat, ""), choose_library(all, kShape, at::kFloat, directory.path + "/file/under"),
        choose_library(all, {64, 16}, at::kFloat, directory.path), choose_library({&slow}, kShape, at::kFloat, directory.path)}) {
    expect(choice.library == &slow && choice.origin == "usual" && !choice.reason.empty(), "got ", choice.origin);
  }
  expect(directory.files().size() == 1, "a file was left");
}

TEST("processes that start together make one choice") {
  const TemporaryDirectory directory;
  // Each would choose another: the one that measures first decides.
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      // No libtorch here, whose threads a child does not have: the file alone.
      KeptChoice kept(directory.path, "a key");
      std::string found = kept.read({"0", "1", "2", "3"});
      if (found.empty()) {
        usleep(50'000);
        found = std::to_string(i);
        if (!kept.write(found)) _exit(100);
      }
      _exit(std::atoi(found.c_str()));
    }
    children.push_back(child);
  }
  std::vector<int> choices;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    choices.push_back(WEXITSTATUS(status));
  }
  for (const int choice : choices) expect(choice < 4 && choice == choices[0], "chose ", choice, " and ", choices[0]);
}

TEST("a library that is not there is refused by name, and one that is there multiplies") {
  for (const auto& library : libraries()) {
    CpuProducts products(cpu_kernels(), at::kFloat, kShape, {library->name(), ""});
    expect(products.choice().origin == "forced" && std::string(products.choice().library->name()) == library->name(),
           "expected ", library->name(), ", got ", products.choice().library->name());
  }
  try {
    CpuProducts products(cpu_kernels(), at::kFloat, kShape, {"abacus", ""});
    expect(false, "nothing was thrown");
  } catch (const Error& error) {
    const std::string message = error.what();
    expect(error.code() == ErrorCode::INVALID_OPTION && message.find("abacus") != std::string::npos &&
               message.find("libtorch") != std::string::npos && message.find("own") != std::string::npos,
           message);
  }
}

TEST("a weight that stays is packed, with the same bits and only while it stays") {
  const c10::InferenceMode inference;
  at::manual_seed(4);
  CpuProducts products(cpu_kernels(), at::kFloat);
  Parameter weight = weight_of(at::randn({96, 64}));
  const at::Tensor x = at::randn({70, 64}), dy = at::randn({70, 96});
  at::Tensor y = at::empty({70, 96}), dx = at::empty({70, 64});
  products.linear(y, x, weight, false);
  products.linear_backward(dx, dy, weight, false);
  const at::Tensor first = y.clone(), first_back = dx.clone();
  expect(packed_bytes(weight.packings) == 0, "packed for one product");
  for (int i = 0; i < 12; ++i) {
    products.linear(y, x, weight, i % 2 == 0);
    products.linear_backward(dx, dy, weight, false);
    expect(at::equal(y, first) && at::equal(dx, first_back), "other bits after ", i, " products");
  }
  expect(packed_bytes(weight.packings) >= 2 * weight.value.nbytes(), "not packed in both directions");

  weight.packings.reset();
  weight.grad = at::zeros_like(weight.value);
  for (int i = 0; i < 12; ++i) products.linear(y, x, weight, false);
  expect(packed_bytes(weight.packings) == 0, "a weight that learns was packed");
}

}  // namespace
}  // namespace permafrost
