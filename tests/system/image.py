# SPDX-License-Identifier: BSD-2-Clause
"""The root file system that deploy/Dockerfile makes, without a registry and without a download: the
packages of its last stage, and all that these depend on, are copied from this machine, where the build
has installed them; the rest comes from `make install`, as there. What the base image has on top of that
is left out: the daemon must do without it."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from memprov import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
# A slim image has none of these either.
LEFT_OUT = re.compile(r"/usr/share/(doc|man|locale|info|lintian)(/|$)")
MERGED = ("bin", "lib", "lib64", "sbin")  # links into /usr since Debian 12


def instructions():
    """[(word, rest)] of each stage."""
    stages = []
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M))
    for line in filter(None, text.splitlines()):
        word, rest = line.split(None, 1)
        if word == "FROM":
            stages.append([])
        elif stages:
            stages[-1].append((word, rest))
    return stages


def installed(packages):
    """These and all that they depend on, as they are on this machine."""
    known = {}
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\t${Pre-Depends}, ${Depends}\n"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in listed.splitlines():
        name, depends = line.split("\t")
        known[name] = re.findall(r"(?:^|[,|] *)([a-z0-9][a-z0-9.+-]+)", depends)
    missing = [name for name in packages if name not in known]
    assert not missing, f"the image has packages that the build does not need: {missing}"
    found, wanted = set(), list(packages)
    while wanted:
        name = wanted.pop()
        if name in known and name not in found:
            found.add(name)
            wanted += known[name]
    return found


def copy_packages(packages, root):
    paths = subprocess.run(["dpkg-query", "-L", *sorted(packages)], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.splitlines()
    for path in paths:
        target = root / path.lstrip("/")
        if LEFT_OUT.match(path) or path == "/." or not os.path.lexists(path):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            target.mkdir(parents=True, exist_ok=True)
        elif not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)


def make(root):
    """Fills the empty directory; the words of its ENTRYPOINT."""
    build, last = instructions()
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to("usr/" + name)
    runs = " ".join(rest for word, rest in last if word == "RUN")
    words = re.search(r"apt-get install (.*?)(&&|$)", runs)[1].split()
    copy_packages(installed([w for w in words if not w.startswith("-")]), root)
    made = re.search(r"make (install .*)DESTDIR=(\S+)",
                     " ".join(rest for word, rest in build if word == "RUN"))
    # As from a shell: what runs the tests may be make itself, with other words.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["make", "-s", *made[1].split(), f"DESTDIR={directory}"], check=True, cwd=ROOT,
                       env=env, stdout=subprocess.DEVNULL)
        for word, rest in last:
            if word == "COPY":
                option, source, target = rest.split()
                assert option == "--from=build"
                place = root / target.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                source = pathlib.Path(source.replace(made[2], directory, 1))
                (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    return json.loads(next(rest for word, rest in last if word == "ENTRYPOINT"))
