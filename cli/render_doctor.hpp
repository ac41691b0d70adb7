// SPDX-License-Identifier: GPL-2.0-or-later
//
// A Diagnosis as one screen of text, the answer first, and as JSON. Pure.
#pragma once

#include <string>

#include "core/doctor/doctor.hpp"
#include "json.hpp"
#include "style.hpp"

namespace wopr {

// `all` shows what was found by the checks that passed too, one line each.
[[nodiscard]] std::string render_doctor(const Diagnosis& diagnosis, const Machine& machine, bool all,
                                        const Style& style);
[[nodiscard]] Json doctor_json(const Diagnosis& diagnosis, const Machine& machine);

}  // namespace wopr
