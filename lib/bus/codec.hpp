// SPDX-License-Identifier: GPL-2.0-or-later
//
// C++ values to D-Bus messages and back, by type: the signature of a type and both directions stand in one place, so
// that they cannot disagree. append() and read() return what sd-bus does: negative errno on failure. Arrays are cut at
// max_items, text at max_text, so that every reply is bounded.
#pragma once

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "bus/text.hpp"
#include "core/pci/aer.hpp"

namespace wopr::bus {

inline constexpr std::size_t max_items = 256;

// A D-Bus signature known when compiling, for vtables want one that lives for ever.
template <std::size_t N>
struct Signature {
  char text[N + 1] = {};

  constexpr Signature() = default;
  constexpr Signature(const char (&literal)[N + 1]) { std::copy_n(literal, N, text); }  // NOLINT: a literal is one
};
template <std::size_t N>
Signature(const char (&)[N]) -> Signature<N - 1>;

template <std::size_t N, std::size_t M>
constexpr Signature<N + M> operator+(const Signature<N>& a, const Signature<M>& b) {
  Signature<N + M> sum;
  std::copy_n(a.text, N, sum.text);
  std::copy_n(b.text, M, sum.text + N);
  return sum;
}

// a{sT}, in the order of the vector.
template <class T>
using Dict = std::vector<std::pair<std::string, T>>;
using Texts = std::vector<std::string>;

// What an a{sv} of ours holds. A type that a newer service sends and we do not know reads as monostate.
using Value = std::variant<std::monostate, bool, std::uint32_t, std::uint64_t, double, std::string>;
using Values = Dict<Value>;

template <class T>
struct Codec;

template <class T, char type>
struct BasicCodec {
  static constexpr Signature<1> signature{{type, '\0'}};
  static int append(sd_bus_message* message, const T& value) {
    return sd_bus_message_append_basic(message, type, &value);
  }
  static int read(sd_bus_message* message, T& value) { return sd_bus_message_read_basic(message, type, &value); }
};
template <>
struct Codec<std::uint32_t> : BasicCodec<std::uint32_t, 'u'> {};
template <>
struct Codec<std::uint64_t> : BasicCodec<std::uint64_t, 't'> {};
template <>
struct Codec<double> : BasicCodec<double, 'd'> {};

template <>
struct Codec<bool> {
  static constexpr Signature signature{"b"};
  static int append(sd_bus_message* message, bool value) {
    const int word = value ? 1 : 0;  // a D-Bus boolean is an int to sd-bus
    return sd_bus_message_append_basic(message, 'b', &word);
  }
  static int read(sd_bus_message* message, bool& value) {
    int word = 0;
    const int r = sd_bus_message_read_basic(message, 'b', &word);
    value = word != 0;
    return r;
  }
};

template <>
struct Codec<std::string> {
  static constexpr Signature signature{"s"};
  static int append(sd_bus_message* message, const std::string& value) {
    return sd_bus_message_append_basic(message, 's', wire_text(value).c_str());
  }
  static int read(sd_bus_message* message, std::string& value) {
    const char* text = nullptr;
    const int r = sd_bus_message_read_basic(message, 's', static_cast<void*>(&text));
    if (r > 0) value = text;
    return r;
  }
};

// Runs `inside` between entering (or opening) and leaving (or closing) a container.
template <class Inside>
int append_container(sd_bus_message* message, char type, const char* contents, Inside inside) {
  if (const int r = sd_bus_message_open_container(message, type, contents); r < 0) return r;
  if (const int r = inside(); r < 0) return r;
  return sd_bus_message_close_container(message);
}
template <class Inside>
int read_container(sd_bus_message* message, char type, const char* contents, Inside inside) {
  if (const int r = sd_bus_message_enter_container(message, type, contents); r <= 0) return r < 0 ? r : -EBADMSG;
  if (const int r = inside(); r < 0) return r;
  const int r = sd_bus_message_exit_container(message);
  return r < 0 ? r : 1;
}

// One a{s…} entry.
template <class T>
int append_entry(sd_bus_message* message, const std::string& key, const T& value) {
  static constexpr auto contents = Signature{"s"} + Codec<T>::signature;
  return append_container(message, 'e', contents.text, [&] {
    const int r = Codec<std::string>::append(message, key);
    return r < 0 ? r : Codec<T>::append(message, value);
  });
}
template <class T>
int read_entry(sd_bus_message* message, std::string& key, T& value) {
  static constexpr auto contents = Signature{"s"} + Codec<T>::signature;
  return read_container(message, 'e', contents.text, [&] {
    const int r = Codec<std::string>::read(message, key);
    return r < 0 ? r : Codec<T>::read(message, value);
  });
}

template <class T>
struct Codec<std::pair<std::string, T>> {
  static constexpr auto signature = Signature{"{s"} + Codec<T>::signature + Signature{"}"};
  static int append(sd_bus_message* message, const std::pair<std::string, T>& entry) {
    return append_entry(message, entry.first, entry.second);
  }
  static int read(sd_bus_message* message, std::pair<std::string, T>& entry) {
    return read_entry(message, entry.first, entry.second);
  }
};

// Counts are an a{st}.
template <>
struct Codec<Count> {
  static constexpr Signature signature{"{st}"};
  static int append(sd_bus_message* message, const Count& count) {
    return append_entry(message, count.token, count.value);
  }
  static int read(sd_bus_message* message, Count& count) { return read_entry(message, count.token, count.value); }
};

template <class T>
struct Codec<std::vector<T>> {
  static constexpr auto signature = Signature{"a"} + Codec<T>::signature;
  static int append(sd_bus_message* message, const std::vector<T>& values) {
    return append_container(message, 'a', Codec<T>::signature.text, [&] {
      for (std::size_t i = 0; i < std::min(values.size(), max_items); ++i) {
        if (const int r = Codec<T>::append(message, values[i]); r < 0) return r;
      }
      return 0;
    });
  }
  static int read(sd_bus_message* message, std::vector<T>& values) {
    return read_container(message, 'a', Codec<T>::signature.text, [&] {
      int at_end = 0;
      while ((at_end = sd_bus_message_at_end(message, 0)) == 0) {
        if (const int r = Codec<T>::read(message, values.emplace_back()); r < 0) return r;
      }
      return at_end;
    });
  }
};

template <class... T>
struct Codec<std::tuple<T...>> {
  static constexpr auto contents = (Codec<T>::signature + ...);
  static constexpr auto signature = Signature{"("} + contents + Signature{")"};
  static int append(sd_bus_message* message, const std::tuple<T...>& values) {
    return append_container(message, 'r', contents.text, [&] {
      int r = 0;
      std::apply([&](const T&... value) { (void)(((r = Codec<T>::append(message, value)) >= 0) && ...); }, values);
      return r;
    });
  }
  static int read(sd_bus_message* message, std::tuple<T...>& values) {
    return read_container(message, 'r', contents.text, [&] {
      int r = 0;
      std::apply([&](T&... value) { (void)(((r = Codec<T>::read(message, value)) >= 0) && ...); }, values);
      return r;
    });
  }
};

template <>
struct Codec<Value> {
  static constexpr Signature signature{"v"};
  static int append(sd_bus_message* message, const Value& value);
  static int read(sd_bus_message* message, Value& value);
};

}  // namespace wopr::bus
