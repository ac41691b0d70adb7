// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the NVIDIA driver says of its GPUs in /proc/driver/nvidia/gpus/<address>/information, so that a slot can
// be matched with what nvidia-smi shows. No driver, no directory: that is no problem. The reading needs no privilege
// and asks nothing of the GPU (kernel-open/nvidia/nv-procfs.c: nv_procfs_read_gpu_info).
#pragma once

#include <map>
#include <string_view>

#include "core/bdf.hpp"
#include "core/topology.hpp"
#include "source/root.hpp"

namespace wopr {

[[nodiscard]] Partial<std::map<Bdf, GpuIdentity>> read_nvidia_gpus(const Root& root);

// Pure: UUID and minor out of "Key: value" rows. A UUID of question marks (the GPU was never initialised) is unknown.
[[nodiscard]] Partial<GpuIdentity> parse_nvidia_information(std::string_view text, std::string_view where);

}  // namespace wopr
