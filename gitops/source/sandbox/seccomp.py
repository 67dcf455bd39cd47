"""A seccomp filter for renders: no sockets, no other processes, no kernel interfaces beyond files and memory."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32_BIT = 0x40000000
#: Flags of clone() that make namespaces.
_NAMESPACES = 0x7E020080

#: Calls that are refused, by machine: (AUDIT_ARCH, {name: number}).
_CALLS = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
            "kill": 62, "tkill": 200, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
            "setpgid": 109, "setsid": 112, "unshare": 272, "setns": 308, "chroot": 161, "pivot_root": 155,
            "mount": 165, "umount2": 166, "keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321,
            "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304, "init_module": 175,
            "finit_module": 313, "delete_module": 176, "kexec_load": 246, "kexec_file_load": 320, "reboot": 169,
            "swapon": 167, "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240,
        },
        56,
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "connect": 203, "accept": 202, "bind": 200, "listen": 201, "accept4": 242,
            "kill": 129, "tkill": 130, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
            "setpgid": 154, "setsid": 157, "unshare": 97, "setns": 268, "chroot": 51, "pivot_root": 41,
            "mount": 40, "umount2": 39, "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280,
            "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265, "init_module": 105,
            "finit_module": 273, "delete_module": 106, "kexec_load": 104, "kexec_file_load": 294, "reboot": 142,
            "swapon": 224, "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180,
        },
        220,
    ),
}  # fmt: skip
#: The same number on every machine.
_COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "pidfd_open": 434, "pidfd_getfd": 438, "mount_setattr": 442,
}  # fmt: skip
_CLONE3 = 435

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def supported() -> bool:
    """Whether this machine's calls are known here and the kernel was built with filters."""
    return platform.machine() in _CALLS and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def no_new_privileges() -> None:
    """From here on, no exec gives more rights than this process has."""
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def restrict() -> None:
    """Refuse the calls above with EACCES, for this process and its descendants. Raises OSError."""
    audit_arch, calls, clone = _CALLS[platform.machine()]
    denied = sorted({*calls.values(), *_COMMON.values()})
    program: list[bytes] = []

    def emit(code: int, jump_true: int, jump_false: int, value: int) -> None:
        program.append(struct.pack("=HBBI", code, jump_true, jump_false, value))

    def refuse(number: int, error: int) -> None:
        emit(_JUMP_EQ, 0, 1, number)
        emit(_RETURN, 0, 0, _ERRNO | error)

    emit(_LOAD, 0, 0, 4)
    emit(_JUMP_EQ, 1, 0, audit_arch)
    emit(_RETURN, 0, 0, _ERRNO | errno.EACCES)
    emit(_LOAD, 0, 0, 0)
    emit(_JUMP_GE, 0, 1, _X32_BIT)
    emit(_RETURN, 0, 0, _ERRNO | errno.EACCES)
    for number in denied:
        refuse(number, errno.EACCES)
    refuse(_CLONE3, errno.ENOSYS)  # its flags cannot be looked at; libc falls back to clone
    emit(_JUMP_EQ, 0, 3, clone)
    emit(_LOAD, 0, 0, 16)
    emit(_JUMP_SET, 0, 1, _NAMESPACES)
    emit(_RETURN, 0, 0, _ERRNO | errno.EACCES)
    emit(_RETURN, 0, 0, _ALLOW)

    code = b"".join(program)
    memory = ctypes.create_string_buffer(code, len(code))
    described = _Program(len(program), ctypes.addressof(memory))
    if _libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(described), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
