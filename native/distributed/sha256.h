// SHA-256 and HMAC-SHA-256, by which ranks prove to each other that they know a secret (FIPS 180-4, RFC 2104).
#pragma once

#include <array>
#include <string>

namespace permafrost {

using Digest = std::array<uint8_t, 32>;

Digest sha256(const std::string& message);
Digest hmac_sha256(const std::string& key, const std::string& message);

// Takes the same time whatever differs.
bool equal_digests(const Digest& a, const Digest& b);

// Bytes that nobody can guess. Throws INTERNAL where the system has none.
std::string random_bytes(size_t count);

}  // namespace permafrost
