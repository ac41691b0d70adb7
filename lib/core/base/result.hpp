// SPDX-License-Identifier: GPL-2.0-or-later
//
// Errors as values. Every fallible function of this project returns Result<T>; exceptions end in the one
// file that calls the library which throws them. An Error names what happened and what was expected,
// where (file, file:row, or a PCI address), and what a person can do about it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace wopr {

struct Error {
  std::string what;    // what happened, and what was expected instead
  std::string where;   // "file", "file:row" or a PCI address; empty when the caller adds it
  std::string advice;  // what to do; empty when nothing can be done

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

// A value that was read as far as it could be, with what could not be read beside it.
template <class T>
struct Partial {
  T value{};
  std::vector<Error> problems;
};

[[nodiscard]] std::unexpected<Error> fail(std::string what, std::string where = {}, std::string advice = {});

// The same error with `outer` put before what it says: "outer: what".
[[nodiscard]] Error context(Error error, std::string_view outer);

// One line: "where: what (advice)".
[[nodiscard]] std::string to_string(const Error& error);

}  // namespace wopr
