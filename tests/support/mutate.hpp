// SPDX-License-Identifier: BSL-1.0
// Small random damage to bytes, of the kinds that decoders get wrong, from a seed.
#ifndef COKAFKA_TESTS_SUPPORT_MUTATE_HPP
#define COKAFKA_TESTS_SUPPORT_MUTATE_HPP

#include <array>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>

namespace cokafka_test {

// One to four changes: a flipped bit, a byte from the edges of number ranges, a whole extreme length, bytes lost or
// doubled.
inline std::string mutated(std::mt19937& random, std::string bytes) {
  static constexpr std::array<std::string_view, 8> lengths{
      std::string_view("\x7f\xff\xff\xff", 4),
      std::string_view("\xff\xff\xff\xff", 4),
      std::string_view("\x80\0\0\0", 4),
      std::string_view("\xff\xff\xff\xff\x0f", 5),
      std::string_view("\xfe\xff\xff\xff\x0f", 5),
      std::string_view("\x7f\xff", 2),
      std::string_view("\0\0\xff\xff", 4),
      std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 11)};
  static constexpr std::string_view edges("\x00\x01\x02\x7e\x7f\x80\x81\xfe\xff", 9);
  for (std::size_t left = 1 + random() % 4; left != 0 && !bytes.empty(); --left) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 6) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8)); break;
      case 1: bytes[at] = edges[random() % edges.size()]; break;
      case 2: {
        const std::string_view length = lengths[random() % lengths.size()];
        bytes.replace(at, length.size(), length);
        break;
      }
      case 3: bytes.erase(at, 1 + random() % 8); break;
      case 4: bytes.insert(at, bytes.substr(at, 1 + random() % 16)); break;
      default: bytes[at] = static_cast<char>(random()); break;
    }
  }
  return bytes;
}

// Bytes in a heap block of their exact size, so that AddressSanitizer sees a read past their end.
class exact_bytes {
 public:
  explicit exact_bytes(std::string_view bytes) : size_(bytes.size()), block_(new char[bytes.size()]) {
    bytes.copy(block_.get(), size_);
  }
  std::string_view view() const { return {block_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> block_;
};

}  // namespace cokafka_test

#endif
