// SPDX-License-Identifier: GPL-2.0-or-later
//
// D-Bus messages out of text, so that a fuzzer's inputs can be read and its mutations stay messages: a signature says
// what comes, and each row is one basic value, the number of an array's elements, or the signature of a variant. What is
// missing is zero or empty. "\n" in a row is a new line. Whatever the text, only what may stand in a message gets into it.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bus/handles.hpp"
#include "core/base/unique_fd.hpp"
#include "require.hpp"

namespace wopr::fuzz {

class Rows {
 public:
  explicit Rows(std::string_view text) : text_(text) {}

  std::string next() {
    const auto end = text_.find('\n');
    const auto row = text_.substr(0, end);
    text_ = end == std::string_view::npos ? std::string_view{} : text_.substr(end + 1);
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool new_line = row[i] == '\\' && i + 1 < row.size() && row[i + 1] == 'n';
      out += new_line ? '\n' : row[i];
      if (new_line) ++i;
    }
    return out;
  }
  template <class Number>
  Number number() {
    Number value{};
    const auto row = next();
    (void)std::from_chars(row.data(), row.data() + row.size(), value);
    return value;
  }
  // Not a number is taken for none: it equals nothing, not even what it is sent as.
  double fraction() {
    const auto value = std::strtod(next().c_str(), nullptr);
    return std::isnan(value) ? 0 : value;
  }
  [[nodiscard]] bool empty() const { return text_.empty(); }

 private:
  std::string_view text_;
};

// What a row may call a descriptor; the message has a copy of its own.
struct Descriptors {
  UniqueFd reading;
  UniqueFd writing;
  UniqueFd null;

  Descriptors() {
    std::array<int, 2> ends{};
    require(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    reading = UniqueFd(ends[0]);
    writing = UniqueFd(ends[1]);
    null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  }
  [[nodiscard]] int named(std::string_view name) const {
    if (name == "pipe") return writing.get();
    return name == "reader" ? reading.get() : null.get();
  }
};

class MessageText {
 public:
  MessageText(sd_bus_message* message, Rows& rows, const Descriptors& descriptors)
      : message_(message), rows_(rows), descriptors_(descriptors) {}

  // Negative when the signature is none or a value cannot stand in a message; what came before is in it all the same.
  int append(std::string_view signature) {
    while (!signature.empty()) {
      const auto length = length_of(signature, 0);
      if (length == 0 || values_ >= most_values) return -EINVAL;
      if (const int r = append_one(signature.substr(0, length)); r < 0) return r;
      signature.remove_prefix(length);
    }
    return 0;
  }

 private:
  static constexpr std::size_t most_values = 4000;
  static constexpr unsigned most_depth = 12;

  // Of the one complete type `signature` begins with; 0 if it begins with none.
  static std::size_t length_of(std::string_view signature, unsigned depth) {
    if (signature.empty() || depth > most_depth) return 0;
    const char first = signature.front();
    if (std::string_view("ybnqiuxtdsoghv").find(first) != std::string_view::npos) return 1;
    if (first == 'a') {
      const auto inner = length_of(signature.substr(1), depth + 1);
      return inner == 0 ? 0 : inner + 1;
    }
    if (first != '(' && first != '{') return 0;
    const char closing = first == '(' ? ')' : '}';
    std::size_t length = 1;
    while (length < signature.size() && signature[length] != closing) {
      const auto inner = length_of(signature.substr(length), depth + 1);
      if (inner == 0) return 0;
      length += inner;
    }
    return length < signature.size() ? length + 1 : 0;
  }

  template <class Inside>
  int append_container(char type, const std::string& contents, Inside inside) {
    if (const int r = sd_bus_message_open_container(message_, type, contents.c_str()); r < 0) return r;
    if (const int r = inside(); r < 0) return r;
    return sd_bus_message_close_container(message_);
  }

  int append_one(std::string_view type) {
    ++values_;
    const std::string contents(type.size() > 2 ? type.substr(1, type.size() - 2) : std::string_view{});
    switch (type.front()) {
      case 'a': {
        const std::string element(type.substr(1));
        const auto number = rows_.number<unsigned>() % 400;
        return append_container('a', element, [&] {
          for (unsigned i = 0; i < number; ++i) {
            if (const int r = append(element); r < 0) return r;
          }
          return 0;
        });
      }
      case '(': return append_container('r', contents, [&] { return append(contents); });
      case '{': return append_container('e', contents, [&] { return append(contents); });
      case 'v': {
        const auto signature = rows_.next();
        if (signature.size() != length_of(signature, 0)) return -EINVAL;
        return append_container('v', signature, [&] { return append(signature); });
      }
      default: return append_basic(type.front());
    }
  }

  template <class Number>
  int append_number(char type) {
    const auto value = rows_.number<Number>();
    return sd_bus_message_append_basic(message_, type, &value);
  }

  int append_basic(char type) {
    switch (type) {
      case 'y': return append_number<std::uint8_t>(type);
      case 'n': return append_number<std::int16_t>(type);
      case 'q': return append_number<std::uint16_t>(type);
      case 'i': return append_number<std::int32_t>(type);
      case 'u': return append_number<std::uint32_t>(type);
      case 'x': return append_number<std::int64_t>(type);
      case 't': return append_number<std::uint64_t>(type);
      case 'd': {
        const auto value = rows_.fraction();
        return sd_bus_message_append_basic(message_, type, &value);
      }
      case 'b': {
        const int value = rows_.next() == "true" ? 1 : 0;
        return sd_bus_message_append_basic(message_, type, &value);
      }
      case 'h': {
        const int fd = descriptors_.named(rows_.next());
        return sd_bus_message_append_basic(message_, type, &fd);
      }
      default: return sd_bus_message_append_basic(message_, type, rows_.next().c_str());
    }
  }

  sd_bus_message* message_;
  Rows& rows_;
  const Descriptors& descriptors_;
  std::size_t values_ = 0;
};

// One end each of a connection that is nobody else's.
inline std::array<UniqueFd, 2> connected() {
  std::array<int, 2> ends{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace wopr::fuzz
