// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the NVIDIA driver says of its GPUs in /proc/driver/nvidia/gpus/<address>/information, so that a slot
// can be matched with what nvidia-smi shows. No driver, no directory: that is no problem. Reading such a file
// resumes the GPU (kernel-open/nvidia/nv-procfs.c: nv_procfs_read_gpu_info calls rm_ref_dynamic_power), so
// sleepers are not asked. It also waits for the driver's locks: a GPU that hangs may make the reader wait.
#pragma once

#include <map>
#include <set>
#include <string_view>

#include "core/pci/bdf.hpp"
#include "core/pci/topology.hpp"
#include "source/root.hpp"

namespace wopr {

// One entry for each GPU that nvidia-smi counts; it is empty for those in `asleep` and those that
// could not be read.
[[nodiscard]] Partial<std::map<Bdf, GpuIdentity>> read_nvidia_gpus(const Root& root,
                                                                   const std::set<Bdf>& asleep = {});

struct NvidiaInformation {
  GpuIdentity identity;
  bool excluded = false;  // by the driver's NVreg_ExcludedGpus: nvidia-smi neither shows nor counts it
};

// Pure: UUID and minor out of "Key: value" rows. A UUID of question marks (the GPU was never initialised) is
// unknown.
[[nodiscard]] Partial<NvidiaInformation> parse_nvidia_information(std::string_view text,
                                                                  std::string_view where);

}  // namespace wopr
