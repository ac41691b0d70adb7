# SPDX-License-Identifier: GPL-2.0-or-later
"""A dbus-daemon of one's own, with its own configuration, that can be stopped, paused and started again."""
import os
import pathlib
import select
import signal
import subprocess

DEADLINE = 20.0  # seconds; what takes this long has failed

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <limit name="service_start_timeout">300</limit>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
    {rules}
  </policy>
</busconfig>
"""

# Were the service ever started by a question, this would leave a file behind.
ACTIVATION = """[D-BUS Service]
Name=org.wopr.Aer1
Exec=/usr/bin/touch {marker}
"""


class Bus:
    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.address = f"unix:path={directory / 'bus'}"
        self.activated = directory / "activated"
        self._process = None
        directory.chmod(0o755)
        for parent in directory.parents:  # for clients that are other users
            if parent.owner() == directory.owner() and parent.stat().st_mode & 0o011 == 0:
                parent.chmod(0o755)
        (directory / "services").mkdir()
        (directory / "services" / "org.wopr.Aer1.service").write_text(ACTIVATION.format(marker=self.activated))

    def start(self, rules=""):
        config = self.directory / "bus.conf"
        config.write_text(CONFIG.format(address=self.address, services=self.directory / "services", rules=rules))
        (self.directory / "bus").unlink(missing_ok=True)
        reader, writer = os.pipe()
        self._process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", f"--print-address={writer}"],
            pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        ready, _, _ = select.select([reader], [], [], DEADLINE)
        said = os.read(reader, 4096) if ready else b""
        os.close(reader)
        assert said, "dbus-daemon did not start"

    def kill(self):
        self._process.kill()
        self._process.wait(DEADLINE)
        self._process = None

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        if self._process:
            self.resume()
            self.kill()
