// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/base/result.hpp"

#include <utility>

namespace wopr {

std::unexpected<Error> fail(std::string what, std::string where, std::string advice) {
  return std::unexpected(Error{std::move(what), std::move(where), std::move(advice)});
}

Error context(Error error, std::string_view outer) {
  error.what.insert(0, ": ").insert(0, outer);
  return error;
}

std::string to_string(const Error& error) {
  std::string text;
  if (!error.where.empty()) text = error.where + ": ";
  text += error.what;
  if (!error.advice.empty()) text += " (" + error.advice + ")";
  return text;
}

}  // namespace wopr
