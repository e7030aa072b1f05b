# SPDX-License-Identifier: GPL-2.0-only
"""Software that changes a table entry while the IOMMU updates it."""
import mmap
import multiprocessing
import tempfile


class SharedMemory:
    """The guest's memory, shared with this process: args make a machine use it."""
    SIZE = 256 << 20

    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile()
        self.file.truncate(self.SIZE)
        self.args = ('-machine', 'memory-backend=ram', '-object',
                     f'memory-backend-file,id=ram,size={self.SIZE},share=on,'
                     f'mem-path={self.file.name}')
        self.ram = mmap.mmap(self.file.fileno(), 0)
        return self

    def __exit__(self, *exc):
        self.ram.close()
        self.file.close()

    def race(self, offset, flip, transfer, rounds=500):
        """
        Let a process flip bits of the entry at offset all the time, by plain stores,
        while transfer() makes the IOMMU update it. Returns how often an update of the
        value before ended up on top of the one stored last, and how many updates were
        seen.
        """
        entry = memoryview(self.ram)[offset:offset + 8].cast('Q')
        values = entry[0], entry[0] ^ flip
        done, results = multiprocessing.Event(), multiprocessing.Queue()

        def exchange():
            lost = updated = 0
            while not done.is_set():
                for n in range(200):
                    entry[0] = value = values[n & 1]
                    for _ in range(8):
                        now = entry[0]
                        if now != value:
                            updated += 1
                            lost += bool((now ^ value) & flip)
                            break
            results.put((lost, updated))

        process = multiprocessing.Process(target=exchange)
        process.start()
        try:
            for _ in range(rounds):
                transfer()
        finally:
            done.set()
            lost, updated = results.get(timeout=30)
            process.join()
            entry.release()
        return lost, updated
