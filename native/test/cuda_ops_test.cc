// The operations for cards, on the CPU, where all but attention runs as well.
#include "ops/cuda/cuda_ops.h"
#include "test/twins.h"

namespace permafrost {
namespace {

using testing::batch_of;
using testing::expect;
using testing::options_of;
using testing::small_bert;

TEST("the operations for cards compute the gradients of the plain ones") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    Model plain(small_bert(0), at::kCPU, Kernels::plain, type), cuda(small_bert(0), at::kCPU, Kernels::plain, type);
    cuda.ops = std::make_unique<CudaOps>(at::kCPU, type, 16);
    initialise(plain.parameters, plain.config, 5, {});
    initialise(cuda.parameters, cuda.config, 5, {});
    Trainer(plain, options_of(false)).gradient_norms(batch_of({9, 20, 4}, 3));
    Trainer(cuda, options_of(false)).gradient_norms(batch_of({9, 20, 4}, 3));
    const double tolerance = type == at::kFloat ? 1e-5 : 0.05;
    for (size_t i = 0; i < plain.parameters.named().size(); ++i) {
      const NamedParameter& a = plain.parameters.named()[i];
      const NamedParameter& b = cuda.parameters.named()[i];
      const at::Tensor one = a.view(a.parameter->grad), other = b.view(b.parameter->grad);
      const double norm = one.norm().item<double>();
      if (norm < 1e-5) continue;  // the key's bias: nothing but rounding
      const double distance = (one - other).norm().item<double>();
      expect(distance < tolerance * norm, a.name, ": distance ", distance, " of norm ", norm);
    }
  }
}

TEST("the operations for cards add gradients of weights to fp32 sums, whatever the type of their factors") {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  generator.set_current_seed(3);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    CudaOps ops(at::kCPU, type, 16);
    const at::Tensor dy_TO = at::randn({40, 6}).to(type), x_TI = at::randn({40, 8}).to(type);
    const at::Tensor grad_OI = at::full({6, 8}, 100.0);
    const at::Tensor product_OI = at::mm(dy_TO.t().to(at::kFloat), x_TI.to(at::kFloat));
    ops.weight_gradient(dy_TO, x_TI, {grad_OI, true});
    // Products of lower factors may be summed in their type on a CPU.
    const double tolerance = type == at::kFloat ? 1e-3 : 1;
    expect((grad_OI - 100 - product_OI).abs().max().item<double>() < tolerance, "the product is added");
    ops.weight_gradient(dy_TO, x_TI, {grad_OI, false});
    expect((grad_OI - product_OI).abs().max().item<double>() < tolerance, "or takes the place of what was there");
  }
}

TEST("the operations for cards go back through the masks that they drew on the way forth") {
  CudaOps ops(at::kCPU, at::kFloat, 16);
  const Dropout dropout{0.25, 1, 0, 9};
  at::Tensor y = at::ones({200, 64}), dy = at::ones({200, 64});
  ops.dropout(y, dropout);
  ops.dropout(dy, dropout);
  expect(y.equal(dy), "both ways must keep the same elements");
  const double kept = y.ne(0).to(at::kFloat).mean().item<double>();
  expect(std::fabs(kept - 0.75) < 0.02, "kept ", kept);
  expect(std::fabs(y.max().item<double>() - 4.0 / 3) < 1e-6, "what is kept is scaled");
  at::Tensor again = at::ones({200, 64});
  ops.dropout(again, dropout);
  expect(!again.equal(y), "the next pass must draw anew");
  ops.begin_pass();

  // Numerically: d/dx of a weighted sum of LayerNorm(residual + dropout(x)).
  at::Tensor x = at::randn({3, 16}), residual = at::randn({3, 16}), weights = at::randn({3, 16});
  const at::Tensor gamma = at::rand({16}) + 0.5, beta = at::randn({16});
  const auto value = [&](const at::Tensor& input, at::Tensor& sum, at::Tensor& mean, at::Tensor& rstd) {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(11);
    sum = input.clone();
    at::Tensor out = at::empty({3, 16});
    ops.layer_norm(sum, {}, residual, dropout, gamma, beta, 1e-5, out, mean, rstd);
    return (out * weights).sum().item<double>();
  };
  at::Tensor sum, mean, rstd;
  value(x, sum, mean, rstd);
  at::Tensor dsum = weights.clone(), dx = at::empty({3, 16});
  ops.layer_norm_backward(weights, sum, mean, rstd, gamma, dropout, dsum, dx, {}, {}, {});
  for (const int64_t i : {0, 17, 40}) {
    at::Tensor up = x.clone(), down = x.clone(), s, m, r;
    up.view({-1})[i] += 1e-2;
    down.view({-1})[i] -= 1e-2;
    const double numeric = (value(up, s, m, r) - value(down, s, m, r)) / 2e-2;
    const double ours = dx.view({-1})[i].item<double>();
    expect(std::fabs(numeric - ours) < 2e-3 * (1 + std::fabs(numeric)), "element ", i, ": ", ours, " against ", numeric);
  }
}

}  // namespace
}  // namespace permafrost
