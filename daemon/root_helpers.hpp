// SPDX-License-Identifier: GPL-2.0-or-later
//
// The service's side of the root helper: asks for descriptors of config space, and for clearing where the owner has
// enabled that socket, from within the event loop and without ever waiting. An answer that takes too long counts as
// none. What comes is told by callbacks, from the loop.
#pragma once

#include <systemd/sd-event.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/count/probe_request.hpp"
#include "source/helper_talk.hpp"

namespace wopr {

class RootHelpers {
 public:
  using Descriptors = std::vector<std::pair<Bdf, UniqueFd>>;
  struct Told {
    std::function<void(Descriptors, std::string trouble)> descriptors;        // trouble: why not more; empty: all came
    std::function<void(std::vector<ClearAnswer>, std::string trouble)> cleared;  // trouble: the talk broke off
  };

  // REQUIRES: the loop outlives this object. An empty path: there is no such helper.
  RootHelpers(sd_event* event, std::filesystem::path probe_socket, std::filesystem::path clear_socket, Told told);
  ~RootHelpers();
  RootHelpers(const RootHelpers&) = delete;
  RootHelpers& operator=(const RootHelpers&) = delete;

  // Not while an earlier question is unanswered; nothing happens then.
  void ask_descriptors(const std::vector<Bdf>& functions);
  // REQUIRES: !clearing().
  void ask_clearing(std::vector<ClearRequest> requests);
  [[nodiscard]] bool clearing() const;
  // Somebody listens where clearing is asked for: the owner has permitted it.
  [[nodiscard]] bool clearing_permitted() const;

 private:
  struct Talk;
  void descriptors_came();
  void cleared_came();

  std::unique_ptr<Talk> probe_;
  std::unique_ptr<Talk> clear_;
  std::vector<Bdf> functions_;
  std::vector<ClearRequest> requests_;
  Told told_;
};

}  // namespace wopr
