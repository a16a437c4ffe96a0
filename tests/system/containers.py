# SPDX-License-Identifier: BSD-2-Clause
"""Real containers, by runc, as a kubelet would have it make them: with a bundle of our own, cgroups
named by cgroupfs's pattern, and the names of log files that tell what the pod is called."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import uuid

from memprov import WORKLOADS, Agent, Target, until

NAMESPACES = ("pid", "mount", "ipc", "uts", "network", "cgroup", "user")


def libraries(program):
    out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True, text=True).stdout
    return re.findall(r"(/\S+)", out)


class Pod:
    """The names and directories of a pod. `logs` stands for the node's /var/log."""

    def __init__(self, logs, namespace, name):
        self.logs, self.namespace, self.name = pathlib.Path(logs), namespace, name
        self.uid = str(uuid.uuid4())
        self.cgroup = f"/kubepods/burstable/pod{self.uid}"
        self.dir = self.logs / "pods" / f"{namespace}_{name}_{self.uid}"
        self.dir.mkdir(parents=True)
        (self.logs / "containers").mkdir(exist_ok=True)

    def link(self, container, id):
        (self.dir / container).mkdir(exist_ok=True)
        name = f"{self.name}_{self.namespace}_{container}-{id}"[:251] + ".log"
        (self.logs / "containers" / name).symlink_to(
            f"/var/log/pods/{self.dir.name}/{container}/0.log")

    def __str__(self):
        return f"{self.namespace}/{self.name}"


class Container(Agent):
    """An agent (or another workload) as process 1 of a container: a root of its own with nothing but
    itself and its libraries, and namespaces of its own."""

    readonly = True

    def __init__(self, cgroup, limit=None, program="agent", argv=(), namespaces=NAMESPACES, mounts=(),
                 capabilities=(), env=(), paths=(), id=None):
        self.id = id or os.urandom(32).hex()
        self.cgroup = cgroup.format(id=self.id) if "{id}" in cgroup else f"{cgroup}/{self.id}"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="memprov-runc-"))
        os.chmod(self.dir, 0o755)
        self.root = self.dir / "rootfs"
        self.program = program if "/" in program else os.path.join(WORKLOADS, program)
        self.root.mkdir()
        entrypoint = self.fill()
        for name in ("proc", "dev", "sys", "tmp", "run", *paths):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        config = {
            "ociVersion": "1.0.2",
            "process": {"terminal": False, "cwd": "/", "env": ["PATH=/app", *env],
                        "args": [*entrypoint, *argv],
                        "user": {"uid": 0, "gid": 0}, "noNewPrivileges": True,
                        "capabilities": {key: list(capabilities) for key in
                                         ("bounding", "effective", "permitted")}},
            "root": {"path": "rootfs", "readonly": self.readonly}, "hostname": "target",
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, *mounts],
            "linux": {"cgroupsPath": self.cgroup,
                      "namespaces": [{"type": name} for name in namespaces],
                      "resources": {"memory": {"limit": limit}} if limit else {}},
        }
        if "user" in namespaces:
            mapping = [{"containerID": 0, "hostID": 200000, "size": 65536}]
            config["linux"].update(uidMappings=mapping, gidMappings=mapping)
            subprocess.run(["chown", "-R", "200000:200000", self.root], check=True)
        if "pid" not in namespaces:
            config["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                                   "options": ["rbind"]}
        (self.dir / "config.json").write_text(json.dumps(config))
        self.state = str(self.dir / "state")
        pid_file = self.dir / "pid"
        try:
            Target.__init__(self, "/usr/sbin/runc", "--root", self.state, "run", "--bundle",
                            str(self.dir), "--pid-file", str(pid_file), self.id,
                            stderr=open(self.dir / "stderr", "wb"))
            until(lambda: pid_file.exists() and pid_file.read_text(), "the container's pid")
            if program == "agent":
                line = self.line()
                assert line == "ready", self.stderr()
        except AssertionError:
            print(self.stderr())
            self.close()
            raise
        self.runc = self.pid
        self.pid = int(pid_file.read_text())
        self.workers = 0

    def fill(self):
        """Puts into the root what the program needs; the words that start it."""
        app = "/app/" + os.path.basename(self.program)
        for source, path in ((self.program, app), *((lib, lib) for lib in libraries(self.program))):
            target = self.root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        return [app]

    def stderr(self):
        return (self.dir / "stderr").read_text(errors="replace")

    def close(self):
        subprocess.run(["/usr/sbin/runc", "--root", self.state, "delete", "--force", self.id],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.remove_cgroups()

    def remove_cgroups(self):
        """Its own, which runc leaves where the leader had exited, and those around it that are empty."""
        mounts = ["/sys/fs/cgroup", *pathlib.Path("/sys/fs/cgroup").iterdir()]
        own = [pathlib.Path(mount, self.cgroup.lstrip("/")) for mount in mounts]
        for path in own:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                until(lambda path=path: not (path / "cgroup.procs").read_text(), "its processes to exit")
                path.rmdir()
        parent = pathlib.PurePath(self.cgroup).parent
        while str(parent) not in ("/", "."):
            for mount in pathlib.Path("/sys/fs/cgroup").iterdir():
                with contextlib.suppress(OSError):
                    (mount / str(parent).lstrip("/")).rmdir()
            with contextlib.suppress(OSError):
                pathlib.Path("/sys/fs/cgroup", str(parent).lstrip("/")).rmdir()
            parent = parent.parent
