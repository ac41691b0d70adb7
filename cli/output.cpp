// SPDX-License-Identifier: GPL-2.0-or-later
#include "output.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "table.hpp"

namespace wopr {

Result<Written> write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto written = write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) return Written::reader_gone;
    if (errno == EAGAIN) {  // somebody made the terminal non-blocking
      pollfd ready{descriptor, POLLOUT, 0};
      if (poll(&ready, 1, -1) >= 0 || errno == EINTR) continue;
    }
    return fail(fmt::format("cannot write the output: {}", std::generic_category().message(errno)));
  }
  return Written::all;
}

int print(std::string_view text) {
  const auto written = write_all(STDOUT_FILENO, text);
  if (written) return exit_fine;
  complain(written.error());
  return exit_failed;
}

void complain(const Error& error) {
  const auto line = fmt::format("wopr-aer: {}\n", printable(to_string(error), Charset::utf8));
  // Nothing can be said about a standard error that cannot be written to.
  static_cast<void>(write_all(STDERR_FILENO, line));
}

}  // namespace wopr
