"""What was seen of the memory of one instance."""

from __future__ import annotations

from pytest_scf.instances import memory

#: bytes by which processes have to grow for another close look at them, well below their limit
_STEP = 4 << 20


class MemoryUse:
    def __init__(self) -> None:
        #: the most that its user's process was seen to have of files in memory, which no limit counts
        self.uncounted_bytes = 0
        #: the most memory in bytes that its processes were seen to hold together; 0 where one process was all
        self.most_held = 0
        self._looked_at = 0

    def held(self, user_pid: int, init_pid: int | None, limit: int, shared_of_the_machine: int) -> int:
        """Bytes that all processes hold; see ``InstanceProcess.held_memory``. ``init_pid``: None in a container."""
        roots = [user_pid]
        if init_pid is not None:
            roots += memory.children(init_pid)
        pids = memory.with_descendants(roots)
        most = memory.resident_bytes(pids)
        if most > limit:
            self.uncounted_bytes = max(self.uncounted_bytes, memory.uncounted_bytes(user_pid))
        elif most + shared_of_the_machine > limit:
            most += memory.memfd_bytes(pids)
        # Of a process alone its own peak is known; where there are more, only changes are worth a closer look.
        if most <= limit and (len(pids) == 1 or most < self._looked_at + _STEP):
            return 0
        self._looked_at = most
        held = memory.held_bytes(pids)
        self.most_held = max(self.most_held, held)
        return held
