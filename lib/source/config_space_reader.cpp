// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/config_space_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "core/pci/config_space.hpp"

namespace wopr {
namespace {

// Offsets and sizes: linux/pci_regs.h.
constexpr std::size_t header_size = 64;
constexpr std::size_t standard_size = 256;
constexpr std::size_t extended_size = 4096;
constexpr std::uint8_t express_id = 0x10;

class Registers {
 public:
  explicit Registers(int fd) : fd_(fd) {}

  // Bytes [offset, offset + size) of the file, as many as there are; the buffer grows with zeros to hold
  // them.
  std::size_t fetch(std::size_t offset, std::size_t size) {
    if (offset + size > bytes_.size()) bytes_.resize(offset + size);
    ssize_t got = 0;
    do {
      got = ::pread(fd_, bytes_.data() + offset, size, static_cast<off_t>(offset));
    } while (got < 0 && errno == EINTR);
    error_ = got < 0 ? errno : 0;
    return got < 0 ? 0 : static_cast<std::size_t>(got);
  }

  [[nodiscard]] std::uint32_t word(std::size_t offset, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value |= std::to_integer<std::uint32_t>(bytes_[offset + i]) << (8 * i);
    return value;
  }
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] std::vector<std::byte> take(std::size_t size, std::byte fill = std::byte{0}) {
    bytes_.resize(size, fill);
    return std::move(bytes_);
  }

 private:
  int fd_;
  int error_ = 0;
  std::vector<std::byte> bytes_;
};

// Walks the standard capability list. False when nothing beyond the header may be read.
bool fetch_standard(Registers& registers, PortType& type) {
  std::size_t offset = registers.word(0x34, 1) & 0xfcU;
  for (int hops = 0; offset >= header_size && hops < 48; ++hops) {
    const bool readable = registers.fetch(offset, 4) == 4;
    if (!readable) return hops != 0;
    const std::uint32_t id = registers.word(offset, 1);
    const std::uint32_t next = registers.word(offset + 1, 1) & 0xfcU;
    if (id == express_id) {
      const std::uint32_t flags = registers.word(offset + 2, 2);
      type = static_cast<PortType>((flags >> 4) & 0xfU);
      registers.fetch(offset, std::min(express_bytes(type, flags & 0xfU), standard_size - offset));
    }
    offset = next;
  }
  return true;
}

// Walks the extended capability list. False when there is none.
bool fetch_extended(Registers& registers, PortType type) {
  std::size_t offset = standard_size;
  for (int hops = 0; hops < 480; ++hops) {
    if (registers.fetch(offset, 4) < 4) return hops != 0;
    const std::uint32_t entry = registers.word(offset, 4);
    if (entry == 0 || entry == 0xffffffffU) return true;
    const auto id = static_cast<std::uint16_t>(entry & 0xffffU);
    const std::size_t size = extended_bytes(id, type);
    if (size > 4) registers.fetch(offset, std::min(size, extended_size - offset));
    offset = (entry >> 20) & 0xffcU;
    if (offset < standard_size) return true;
  }
  return true;
}

}  // namespace

Outcome<std::vector<std::byte>> read_config_space(const Directory& function, ConfigDepth depth) {
  const UniqueFd fd(::openat(function.fd(), "config", O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, function.path_of("config"));
  return read_config_space(fd.get(), function.path_of("config"), depth);
}

Outcome<std::vector<std::byte>> read_config_space(int fd, const std::string& where, ConfigDepth depth) {
  Registers registers(fd);
  const std::size_t header = registers.fetch(0, header_size);
  if (registers.error() != 0) return fail_errno(registers.error(), where);
  if (header < header_size || depth == ConfigDepth::header) return registers.take(header);
  if (registers.word(0, 2) == 0xffffU) {  // fell off the bus: all ones everywhere
    const bool readable = registers.fetch(header_size, 4) == 4;
    return registers.take(readable ? standard_size : header_size, std::byte{0xff});
  }
  constexpr std::uint32_t has_capabilities = 0x10;  // status register, bit 4
  if ((registers.word(0x06, 2) & has_capabilities) == 0) return registers.take(header_size);
  PortType type = PortType::conventional;
  if (!fetch_standard(registers, type)) return registers.take(header_size);
  if (!fetch_extended(registers, type)) return registers.take(standard_size);
  return registers.take(extended_size);
}

}  // namespace wopr
