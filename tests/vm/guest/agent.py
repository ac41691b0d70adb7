#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the guest: takes requests from the host over a virtio serial port, one JSON object a line.

Requests                                            Replies, carrying the request's id
  {"op": "start", "id", "argv", "user", "env", "stdin"}   {"id", "pid"}, then {"id", "stdout"|"stderr": base64} ...,
                                                      at last {"id", "exit": status, negative for a signal}
  {"op": "signal", "id": of the start, "signal"}      none: the exit tells
  {"op": "put", "id", "path", "mode", "data"}         {"id", "done": true}
  {"op": "get", "id", "path"}                         {"id", "data": base64}
Whatever cannot be done answers {"id", "error": text}. After start-up it says {"hello": boot id}.
"""
import base64
import json
import os
import pwd
import selectors
import subprocess

PORT_NAME = "org.wopr.agent"


def open_port():
    ports = "/sys/class/virtio-ports"
    for port in os.listdir(ports):
        with open(f"{ports}/{port}/name") as name:
            if name.read().strip() == PORT_NAME:
                return os.open(f"/dev/{port}", os.O_RDWR)
    raise SystemExit(f"no virtio serial port is named {PORT_NAME}")


class Agent:
    def __init__(self, port):
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.running = {}  # request id -> process
        self.pending = b""

    def serve(self):
        os.set_inheritable(self.port, False)
        self.watch(self.port, self.take_requests)
        with open("/proc/sys/kernel/random/boot_id") as boot_id:
            self.say({"hello": boot_id.read().strip()})
        while True:
            for key, _ in self.selector.select():
                key.data()

    def watch(self, readable, action):
        self.selector.register(readable, selectors.EVENT_READ, action)

    def say(self, message):
        line = memoryview(json.dumps(message).encode() + b"\n")
        while line:
            line = line[os.write(self.port, line):]

    def take_requests(self):
        self.pending += os.read(self.port, 1 << 16)
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                getattr(self, "op_" + request["op"])(request)
            except (OSError, KeyError, AttributeError, subprocess.SubprocessError) as error:
                self.say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})

    def op_start(self, request):
        account = pwd.getpwnam(request["user"])
        stdin = base64.b64decode(request["stdin"])
        identity = {}
        if account.pw_uid != os.getuid():
            identity = {"user": account.pw_uid, "group": account.pw_gid,
                        "extra_groups": os.getgrouplist(account.pw_name, account.pw_gid)}
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": account.pw_dir,
               "USER": account.pw_name, "LANG": "C.UTF-8", **request["env"]}
        source = subprocess.DEVNULL
        if stdin:  # a file, not a pipe: nobody has to feed it
            source = os.memfd_create("stdin")
            os.write(source, stdin)
            os.lseek(source, 0, os.SEEK_SET)
        process = subprocess.Popen(request["argv"], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   cwd=account.pw_dir, env=env, start_new_session=True, **identity)
        if stdin:
            os.close(source)
        pipes = {process.stdout: "stdout", process.stderr: "stderr"}
        self.running[request["id"]] = process
        self.say({"id": request["id"], "pid": process.pid})
        for pipe in pipes:
            os.set_blocking(pipe.fileno(), False)
            self.watch(pipe, lambda pipe=pipe: self.pass_on(request["id"], pipes, pipe))
        pidfd = os.pidfd_open(process.pid)
        self.watch(pidfd, lambda: self.finish(request["id"], process, pidfd, pipes))

    def pass_on(self, number, pipes, pipe):
        """Sends what the pipe holds; true while there may be more at once."""
        if pipe.closed:  # by finish(), in the same round of the selector
            return False
        try:
            data = os.read(pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return False
        if data:
            self.say({"id": number, pipes[pipe]: base64.b64encode(data).decode()})
            return True
        self.selector.unregister(pipe)
        del pipes[pipe]
        pipe.close()
        return False

    def finish(self, number, process, pidfd, pipes):
        self.selector.unregister(pidfd)
        os.close(pidfd)
        for pipe in list(pipes):  # what the program left; its children may hold the pipe open
            while self.pass_on(number, pipes, pipe):
                pass
        for pipe in list(pipes):
            self.selector.unregister(pipe)
            pipe.close()
        del self.running[number]
        self.say({"id": number, "exit": process.wait()})

    def op_signal(self, request):
        if request["id"] in self.running:
            try:
                os.killpg(self.running[request["id"]].pid, request["signal"])
            except ProcessLookupError:
                pass

    def op_put(self, request):
        os.makedirs(os.path.dirname(request["path"]), exist_ok=True)
        with open(request["path"], "wb") as file:
            file.write(base64.b64decode(request["data"]))
        os.chmod(request["path"], request["mode"])
        self.say({"id": request["id"], "done": True})

    def op_get(self, request):
        with open(request["path"], "rb") as file:
            self.say({"id": request["id"], "data": base64.b64encode(file.read()).decode()})


Agent(open_port()).serve()
