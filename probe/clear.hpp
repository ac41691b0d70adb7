// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clearing latched error bits, the only thing of this product that writes to hardware. Two writes, ever: 4 bytes to AER
// Correctable Error Status with just those of the bits asked for that were read as one, and 2 bytes with the value 1 to
// Device Status (Device Control shares that double word: never a wider write). Refused wherever somebody else may
// consume the bits, or the device does not stand by.
#pragma once

#include "core/count/probe_request.hpp"
#include "devices.hpp"

namespace wopr {

// What is cleared, or why nothing is. With no bits asked for, nothing is written: the answer tells whether it would be.
[[nodiscard]] Result<std::uint32_t> clear_bits(const Devices& devices, const ClearRequest& request);

}  // namespace wopr
