"""Kernels forked from a process that has imported what notebooks need.

A kernel of its own imports torch, matplotlib and snnlab anew, which takes about six seconds of a
processor. Kernels that `snnlab run`, JupyterLab or another Python start are not of these.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

PRELOADED = """
    ipykernel.kernelapp ipykernel.ipkernel ipykernel.zmqshell
    matplotlib.backends.backend_svg matplotlib_inline.backend_inline sklearn.datasets
    snnlab.course.tasks snnlab.delays snnlab.runs snnlab.transfer.pipelines
    snnlab.training.warm_up snnlab.viz.monitor.monitor snnlab.viz.panels.event_viewer
    snnlab.viz.plots.films torch._dynamo
""".split()
# Variables that no import reads, and one that a forked process can heed
LATE = ("JPY_", "PYDEVD_", "PYTEST_", "PYTHONPATH", "SNNLAB_", "TORCHINDUCTOR_")
LAUNCHER = ["-m", "ipykernel_launcher"]


def early(env):
    return {name: value for name, value in env.items() if not name.startswith(LATE)}


class KernelServer:
    """Replaces `jupyter_client.launcher.launch_kernel`; `close` ends it and all its kernels."""

    def __init__(self, launch):
        self._launch, self._lock, self._process = launch, threading.Lock(), None
        self._begin_with = {"env": dict(os.environ), "cwd": os.getcwd()}  # tests change both
        self._env, self._paths = early(os.environ), os.environ.get("PYTHONPATH", "")

    def __call__(self, cmd, env=None, cwd=None, **options):
        """Fork a kernel, or launch one as usual where its command or environment is another."""
        env = dict(os.environ if env is None else env)
        same = cmd[:3] == [sys.executable, *LAUNCHER] and early(env) == self._env
        same &= env.get("PYTHONPATH", "").endswith(self._paths)
        if options.keys() - {"independent", "stderr"} or not same:
            return self._launch(cmd, env=env, cwd=cwd, **options)
        with self._lock:
            if self._process is None:
                self._begin()
        cwd = os.getcwd() if cwd is None else os.fspath(cwd)
        stderr = options.get("stderr")
        fds = [1, 2 if stderr is None else stderr.fileno()]
        pid = self.ask({"arguments": cmd[3:], "env": env, "cwd": cwd}, fds)
        return ForkedKernel(self, pid)

    def _begin(self):
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                **self._begin_with,
            )

    def ask(self, request, fds=()):
        message = json.dumps(request).encode()
        with self._lock:
            socket.send_fds(self._socket, [len(message).to_bytes(8)], fds)
            self._socket.sendall(message)
            return json.loads(self._socket.recv(100))

    def close(self):
        if self._process is not None:
            self._socket.close()
            self._process.wait()


class ForkedKernel:
    """As a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, server, pid):
        self._server, self.pid, self.returncode = server, pid, None

    def poll(self):
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def wait(self):
        if self.returncode is None:
            self.returncode = self._server.ask({"wait": self.pid})
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


# The process that forks
# ----------------------------------------------------------------------


def fork_on_request(connection):
    """Return the request in a process forked for it; end at the end of requests."""
    while True:
        head, fds, _, _ = socket.recv_fds(connection, 8, 2)
        if not head:
            os._exit(0)
        request, size = b"", int.from_bytes(head)
        while len(request) < size:
            request += connection.recv(size - len(request))
        request = json.loads(request)
        if "arguments" not in request:
            pid = request.get("poll", request.get("wait"))
            done, status = os.waitpid(pid, os.WNOHANG if "poll" in request else 0)
            answer = os.waitstatus_to_exitcode(status) if done else None
        else:
            ready, begun = os.pipe()
            answer = os.fork()
            if not answer:
                os.setsid()
                os.close(begun)
                for number, fd in enumerate(fds, 1):
                    os.dup2(fd, number)
                for fd in (*fds, ready):
                    os.close(fd)
                connection.close()
                return request
            os.close(begun)
            os.read(ready, 1)  # it has a session of its own
            for fd in (*fds, ready):
                os.close(fd)
        connection.sendall(json.dumps(answer).encode())


def main():
    del sys.path[0]
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    # as ipykernel sets it, before matplotlib reads it
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    import snnlab.runs._jsonschema_import  # noqa: F401  before ipykernel imports jsonschema

    for name in PRELOADED:
        __import__(name)
    import gc

    import numpy as np

    gc.freeze()
    request = fork_on_request(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["env"] | {"JPY_PARENT_PID": str(os.getppid())})
    paths = request["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path and path not in sys.path]
    os.chdir(request["cwd"])
    sys.argv[1:] = request["arguments"]
    np.random.seed()

    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
