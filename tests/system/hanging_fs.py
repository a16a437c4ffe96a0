# SPDX-License-Identifier: BSD-2-Clause
"""A file system with a server, as a network's would be: while the server is stopped, whatever
asks for a file waits. As a program: hanging_fs.py DIRECTORY MOUNTPOINT."""
import os
import signal
import subprocess
import sys

from memprov import Target, stopped, until

STAT = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_atime", "st_mtime",
        "st_ctime")


class HangingFs(Target):
    """The directory's files, read-only, below mountpoint."""

    def __init__(self, directory, mountpoint):
        self.mountpoint = mountpoint
        super().__init__("/usr/bin/python3", __file__, directory, mountpoint)
        until(lambda: os.path.ismount(mountpoint), "the file system to be mounted")

    def hangs(self):
        """A context in which it does."""
        return stopped(self.pid)

    def close(self):
        # With the server its connection ends, and what waited gets an error.
        os.kill(self.pid, signal.SIGKILL)
        subprocess.run(["umount", "--lazy", self.mountpoint], check=True)
        super().close()


def main(directory, mountpoint):
    import fusepy

    class Mirror(fusepy.Operations):
        def getattr(self, path, fh=None):
            stat = os.lstat(directory + path)
            return {name: getattr(stat, name) for name in STAT}

        def readdir(self, path, fh):
            return [".", "..", *os.listdir(directory + path)]

        def open(self, path, flags):
            return os.open(directory + path, flags)

        def read(self, path, size, offset, fh):
            return os.pread(fh, size, offset)

        def release(self, path, fh):
            os.close(fh)

    # Nothing that the kernel was told counts for longer than it takes to say it.
    fusepy.FUSE(Mirror(), mountpoint, foreground=True, nothreads=True, ro=True, allow_other=True,
                attr_timeout=0, entry_timeout=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
