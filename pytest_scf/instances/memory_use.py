"""What was seen of the memory of one instance."""

from __future__ import annotations

from pytest_scf.instances import memory

#: bytes by which processes have to grow before they are measured exactly again, while well below their limit
_STEP = 4 << 20


class MemoryUse:
    def __init__(self) -> None:
        #: the most bytes of mapped files seen in the user's process; no limit counts them
        self.uncounted_bytes = 0
        #: the most bytes that its processes were seen to hold together; 0 where there was one process only
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
        # The kernel keeps the peak of a single process; several are measured again only when they have grown.
        if most <= limit and (len(pids) == 1 or most < self._looked_at + _STEP):
            return 0
        self._looked_at = most
        held = memory.held_bytes(pids)
        self.most_held = max(self.most_held, held)
        return held
