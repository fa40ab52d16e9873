#include "products/choice.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/blas.h"
#include "ops/cpu/kernels.h"
#include "products/kept_choice.h"

namespace permafrost {

namespace {

// Below, no library would be worth the time of measuring.
constexpr int64_t kWorthMeasuring = 1 << 15;
// Multiply-adds of a measured product, and its rows: long enough for a clock, short enough for the start of a process.
constexpr int64_t kMultiplyAdds = 300'000'000;
constexpr int64_t kLeastRows = 64, kMostRows = 512;
constexpr int kRounds = 3;
// Another than the usual library is taken where it needs less than this part of its time. Noise stays above.
constexpr double kMargin = 0.9;
// What is so much slower from the start is not timed any further.
constexpr double kHopeless = 4;

// The three products of a linear map, or the gradient of its weight alone where the others stay with the kernels of
// ops/cpu.
struct Products {
  at::Tensor x_TI, dy_TO, weight_OI, y_TO, dx_TI, dweight_OI;
  bool gradient_only;

  Products(ProductShape shape, at::ScalarType type) : gradient_only(shape.out * shape.in <= kSmallWeights) {
    const int64_t rows = std::clamp(kMultiplyAdds / (shape.out * shape.in), kLeastRows, kMostRows);
    const auto options = at::TensorOptions().dtype(type);
    // Numbers near one that no library can guess, without libtorch's generator, which is the user's.
    const auto filled = [&](int64_t m, int64_t n) {
      return at::arange(m * n, at::TensorOptions().dtype(at::kFloat)).mul_(0.618034f).sin_().view({m, n}).to(type);
    };
    x_TI = filled(rows, shape.in);
    dy_TO = filled(rows, shape.out);
    weight_OI = filled(shape.out, shape.in);
    y_TO = at::empty({rows, shape.out}, options);
    dx_TI = at::empty({rows, shape.in}, options);
    dweight_OI = at::empty({shape.out, shape.in}, options);
  }

  double seconds(ProductLibrary& library) {
    const auto start = std::chrono::steady_clock::now();
    if (!gradient_only) {
      library.multiply(y_TO, x_TI, weight_OI.t(), false);
      library.multiply(dx_TI, dy_TO, weight_OI, false);
    }
    library.multiply(dweight_OI, dy_TO.t(), x_TI, false);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::vector<at::Tensor> results() const {
    if (gradient_only) return {dweight_OI.to(at::kFloat, false, true)};
    return {y_TO.to(at::kFloat, false, true), dx_TI.to(at::kFloat, false, true), dweight_OI.to(at::kFloat, false, true)};
  }
};

bool agree(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b, double tolerance) {
  for (size_t i = 0; i < a.size(); ++i) {
    const double largest = a[i].abs().max().item<double>();
    // False for what is not a number, too.
    if (!((a[i] - b[i]).abs().max().item<double>() <= tolerance * largest)) return false;
  }
  return true;
}

ProductLibrary* fastest(const std::vector<ProductLibrary*>& libraries, ProductShape shape, at::ScalarType type) {
  Products products(shape, type);
  const double tolerance = type == at::kFloat ? 1e-4 : 2e-2;
  std::vector<ProductLibrary*> left;
  std::vector<at::Tensor> expected;
  double usual_first = 0;
  for (ProductLibrary* library : libraries) {
    products.seconds(*library);
    const double first = products.seconds(*library);
    if (left.empty()) {
      expected = products.results();
      usual_first = first;
    } else if (first > kHopeless * usual_first || !agree(expected, products.results(), tolerance)) {
      continue;
    }
    left.push_back(library);
  }
  std::vector<double> least(left.size(), std::numeric_limits<double>::infinity());
  // One that seems faster has to seem so once more, when the usual one had as many tries again.
  for (int round = 0; round < 2 * kRounds; ++round) {
    for (size_t i = 0; i < left.size(); ++i) least[i] = std::min(least[i], products.seconds(*left[i]));
    const auto best = static_cast<size_t>(std::min_element(least.begin(), least.end()) - least.begin());
    const bool is_usual = least[best] >= kMargin * least[0];
    if (round + 1 == kRounds && is_usual) return left[0];
    if (round + 1 == 2 * kRounds && !is_usual) return left[best];
  }
  return left[0];
}

// What the first processor says it is. Names alone do not tell: virtual machines have one for several generations.
std::string processor() {
  std::ifstream facts("/proc/cpuinfo");
  std::string described;
  for (std::string line; std::getline(facts, line) && !line.empty();) {
    for (const char* key : {"vendor_id", "cpu family", "model", "CPU implementer", "CPU part"}) {
      if (line.rfind(key, 0) == 0) described += ' ' + line.substr(std::min(line.size(), line.find(':') + 2));
    }
  }
  return described.empty() ? " unknown" : described;
}

// All that the fastest library depends on.
std::string key_of(const std::vector<ProductLibrary*>& libraries, ProductShape shape, at::ScalarType type) {
  std::ostringstream key;
  key << "processor:" << processor() << "\nthreads: " << at::get_num_threads() << "\nlibtorch: " << TORCH_VERSION
      << "\nlibraries:";
  for (const ProductLibrary* library : libraries) key << ' ' << library->name() << " (" << library->description() << ')';
  key << "\ntype: " << c10::toString(type) << "\nshape: " << shape.out << " x " << shape.in;
  return key.str();
}

}  // namespace

ProductChoice choose_library(const std::vector<ProductLibrary*>& libraries, ProductShape shape, at::ScalarType type,
                             const std::string& directory) {
  const auto usual = [&](std::string reason) { return ProductChoice{libraries[0], "usual", std::move(reason)}; };
  if (libraries.size() == 1) return usual("there is no other");
  if (shape.out * shape.in < kWorthMeasuring) return usual("the model is too small for another to pay");
  if (directory.empty()) return usual("there is no cache directory to keep a measurement in");
  KeptChoice kept(directory, key_of(libraries, shape, type));
  std::vector<std::string> names;
  for (const ProductLibrary* library : libraries) names.emplace_back(library->name());
  const auto named = [&](const std::string& name) {
    return libraries[static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin())];
  };
  const std::string found = kept.read(names);
  if (!found.empty()) return {named(found), "kept", ""};
  // What cannot be kept might come out otherwise in the next process, which would then compute other bits.
  if (!kept.problem().empty()) return usual(kept.problem());
  ProductLibrary* library = fastest(libraries, shape, type);
  if (!kept.write(library->name())) return usual(kept.problem());
  return {library, "measured", ""};
}

}  // namespace permafrost
