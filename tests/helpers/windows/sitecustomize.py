"""A process with this folder on its PYTHONPATH shows snnlab what Windows has, and not more.

Each module of snnlab imports `os`, `sys`, `signal` and others without the names that Windows
lacks, cannot import modules that Windows lacks, and opens no file below /proc or /dev. The standard
library and other packages see Linux; this is not Windows.
"""

import builtins
import importlib.machinery
import sys

MODULES = "fcntl grp posix pty pwd resource syslog termios tty submitit".split()
LACKING = {
    "os": """
        chown fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp
        getpriority getsid getuid killpg lchown mkfifo mknod nice openpty posix_fadvise
        posix_fallocate posix_spawn pread preadv pwrite pwritev readv register_at_fork
        sched_getaffinity sched_setaffinity sched_yield sendfile setpgid setpriority setsid statvfs
        sync sysconf uname wait wait3 wait4 waitid writev O_CLOEXEC O_DIRECTORY O_NOFOLLOW
        O_NONBLOCK POSIX_FADV_WILLNEED WNOHANG""".split(),
    "signal": """
        SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2
        SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm pause pthread_kill pthread_sigmask setitimer sigwait
        siginterrupt""".split(),
    "sys": "abiflags getdlopenflags setdlopenflags".split(),
}


class View:
    """A module without some of its names, and with others."""

    def __init__(self, module, lacking, **own):
        self.__dict__.update(own, _module=module, _lacking=lacking)

    def __getattr__(self, name):
        if name in self._lacking:
            raise AttributeError(f"Windows has no {self._module.__name__}.{name}")
        return getattr(self._module, name)

    def __setattr__(self, name, value):
        setattr(self._module, name, value)


def spawn_only(method=None):
    import multiprocessing

    if method not in (None, "spawn"):
        raise ValueError(f"Windows has no {method}")
    return multiprocessing.get_context("spawn")


OWN = {
    "os": {"name": "nt"},
    "sys": {"platform": "win32"},
    "signal": {},
    "platform": {"libc_ver": lambda *_: ("", "")},
    "multiprocessing": {
        "get_context": spawn_only,
        "get_all_start_methods": lambda: ["spawn"],
        "get_start_method": lambda allow_none=False: "spawn",
    },
}


def shown_import(name, globals=None, locals=None, fromlist=(), level=0):
    first = name.partition(".")[0]
    if not level and first in MODULES:
        raise ModuleNotFoundError(f"Windows has no module {name}", name=name)
    module = builtins.__import__(name, globals, locals, fromlist, level)
    if not level and name in OWN:
        return View(module, LACKING.get(name, ()), **OWN[name])
    return module


def shown_open(file, mode="r", *arguments, **more):
    if str(file).startswith(("/proc", "/dev/")):
        raise FileNotFoundError(f"Windows has no {file}")
    return builtins.open(file, mode, *arguments, **more)


SHOWN = vars(builtins) | {"__import__": shown_import, "open": shown_open}


class Finder:
    """Find snnlab's modules as always, and give each the other built-in functions."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != "snnlab":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                module.__dict__["__builtins__"] = SHOWN
                execute(module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
