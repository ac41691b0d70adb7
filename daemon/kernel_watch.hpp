// SPDX-License-Identifier: GPL-2.0-or-later
//
// Following the kernel's messages from the service's loop: all of this boot first, in small steps beside the other
// work, then what comes. A storm of messages makes it fall behind, never the loop. Not thread-safe.
#pragma once

#include <systemd/sd-event.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kernel/witness.hpp"
#include "core/machine/kernel_facts.hpp"
#include "source/root.hpp"

namespace wopr {

struct KernelWatchCalls {
  std::function<void(const KernelFacts&)> facts;                 // what the machine is known by has changed
  std::function<void(const std::vector<WitnessEvent>&)> earlier;  // of this boot, from before the service started
  std::function<void(const std::vector<WitnessEvent>&)> events;   // since it started
  std::function<void(const Error&)> trouble;                     // the messages cannot be followed (any longer)
};

class KernelWatch {
 public:
  // `event` outlives this object.
  KernelWatch(sd_event* event, KernelWatchCalls calls);
  ~KernelWatch();
  KernelWatch(const KernelWatch&) = delete;
  KernelWatch& operator=(const KernelWatch&) = delete;

  // `known`: the facts so far; a call is made when they change.
  void start(const Root& root, const std::string& boot_id, KernelFacts known);

  struct State;  // named in public for the loop's callbacks

 private:
  std::unique_ptr<State> state_;
};

}  // namespace wopr
