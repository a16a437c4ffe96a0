# SPDX-License-Identifier: BSD-2-Clause
"""A fresh machine gets what it needs: each target of make installs its own classes of packages, and what the tests use
is in a line of `packages`."""
import io
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from memprov import ROOT

pytestmark = pytest.mark.plain

PACKAGES = ROOT / "packages"
CHECK = ROOT / "tests" / "check-packages"
# As from a shell: what runs the tests may be make itself, with other words.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def listed(*classes):
    lines = [line.split() for line in PACKAGES.read_text().splitlines() if not line.startswith("#")]
    return {package for name, *packages in lines if name in classes for package in packages}


def installs(*words):
    """The packages that make would look for, once for each time that it would."""
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [set(words.split()) for words in re.findall(r"for p in ([^;$]*); do", done.stdout)]


@pytest.mark.parametrize("words, classes", [
    (["deps"], ["build"]), (["deps", "DEPS_FOR=web"], ["web"]), (["run"], ["build"]),
    (["test"], ["build", "test"]), (["check"], ["build", "test"]), (["fuzz"], ["build", "test", "fuzz"]),
    (["pictures"], ["build", "test"]), (["web"], ["web"]), (["test-vm"], ["build", "test", "vm"]),
    (["bench"], ["build", "bench"]), (["test-fresh"], ["fresh"]), (["deb"], ["build", "deb"])], ids=lambda words: "+".join(words))
def test_a_target_installs_its_packages(words, classes):
    assert installs(*words) == [listed(*classes)]


def test_each_of_two_targets_installs_its_packages():
    assert installs("run", "test") == [listed("build"), listed("build", "test")]


def test_a_debian_package_is_built_with_what_is_built_with_elsewhere():
    """And is of the same version. What every build has is not said again in debian/control."""
    control = (ROOT / "debian" / "control").read_text()
    depends = re.search(r"^Build-Depends: (.*?)^\S", control, re.M | re.S)[1]
    names = {word.split()[0] for word in depends.split(",")}
    assert names == listed("build") - {"gcc", "libc6-dev"} | {"debhelper-compat"}
    version = (ROOT / "VERSION").read_text().strip()
    assert (ROOT / "debian" / "changelog").read_text().startswith(f"memprov ({version}) ")


def test_the_source_archive_is_reproducible(tmp_path):
    """The same bytes from two copies of the tree, of other times, modes, users and places, built and not."""
    made = []
    for name, umask, zone in ("one", 0o022, "UTC"), ("another-place", 0o077, "Pacific/Auckland"):
        copy = tmp_path / name
        ignore = shutil.ignore_patterns("build", ".git", "__pycache__", ".pytest_cache")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignore, copy_function=shutil.copy2 if umask == 0o022 else shutil.copy)
        if umask == 0o077:
            (copy / "build").mkdir()
            (copy / "build" / "memprov.o").touch()
            subprocess.run(["chmod", "-R", "go-rwx", copy], check=True)
            subprocess.run(["chown", "-R", "65534:65534", copy], check=True)
            (copy / "VERSION").touch()
        subprocess.run(["make", "-s", "dist"], cwd=copy, env=ENVIRONMENT | {"TZ": zone, "LC_ALL": "C.UTF-8"}, check=True,
                       umask=umask, stdout=subprocess.DEVNULL)
        made.append(next((copy / "build").glob("memprov-*.tar.gz")).read_bytes())
    assert made[0] == made[1]
    with tarfile.open(fileobj=io.BytesIO(made[0])) as archive:
        members = archive.getmembers()
    assert members == sorted(members, key=lambda member: member.name.encode()) and len(members) > 500
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, members[0].mtime)}
    top = f"memprov-{(ROOT / 'VERSION').read_text().strip()}"
    names = {member.name for member in members}
    assert {f"{top}/Makefile", f"{top}/debian/rules", f"{top}/user/main.c"} <= names
    assert not [name for name in names if not name.startswith(f"{top}/") or "/.git/" in name or f"{top}/build/" in name]


CMOCKA = ("printf '#include <%s>\\n' stdarg.h stddef.h setjmp.h stdint.h cmocka.h | "
          "gcc -fsyntax-only -x c -")


def check(tmp_path, without, *command, prefix=()):
    """check-packages, with a list in which one package is not."""
    path = tmp_path / "packages"
    path.write_text(re.sub(rf"(?<= ){re.escape(without)}(?= |$)", "", PACKAGES.read_text(), flags=re.M))
    return subprocess.run([*prefix, CHECK, "--packages", path, *command], capture_output=True, text=True)


def debug_file():
    files = subprocess.run(["dpkg-query", "-L", "libc6-dbg"], check=True, capture_output=True, text=True).stdout
    return next(path for path in files.splitlines() if path.endswith(".debug"))


@pytest.mark.parametrize("package, owner, command", [
    ("clang-format", "clang-format-14", lambda: ["clang-format", "--version"]),
    ("libc6-dbg", "libc6-dbg", lambda: ["wc", "-c", debug_file()]),
    ("python3-pyte", "python3-pyte", lambda: ["/usr/bin/python3", "-c", "import pyte"]),
    ("libcmocka-dev", "libcmocka-dev", lambda: ["sh", "-c", CMOCKA]),
    ("openssl", "openssl", lambda: ["sh", "-c", "cd / && exec openssl version"])],
    ids=lambda word: word if isinstance(word, str) else "")
def test_what_is_used_is_in_a_line(bpf, tmp_path, package, owner, command):
    done = check(tmp_path, "nothing", *command())
    assert (done.returncode, "is in no line" in done.stdout) == (0, False), done.stdout
    done = check(tmp_path, package, *command())
    assert done.returncode == 1
    assert f"check-packages: {owner} is in no line of packages, and was used: " in done.stdout


def test_what_no_package_has(bpf, tmp_path):
    prefix = ["unshare", "--mount", "sh", "-ec",
              'mount -t tmpfs tmpfs /opt; cp /bin/true /opt/tool; exec "$@"', "sh"]
    done = check(tmp_path, "nothing", "/opt/tool", prefix=prefix)
    assert done.returncode == 1
    assert "check-packages: no package is in no line of packages, and was used: /opt/tool\n" in done.stdout


def test_the_exit_code_is_that_of_the_command(bpf, tmp_path):
    assert check(tmp_path, "nothing", "sh", "-c", "exit 3").returncode == 3
    assert check(tmp_path, "nothing", "sh", "-c", "kill -9 $$").returncode == 1
    done = check(tmp_path, "nothing", "/nowhere")
    assert (done.returncode, done.stderr) == (127, "check-packages: /nowhere: No such file or directory\n")


@pytest.mark.parametrize("kind, built", [([], "build/memprov"), (["SANITIZE=1"], "build/asan/memprov"),
                                         (["CROSS=aarch64-linux-gnu"], "build/aarch64-linux-gnu/memprov")])
def test_what_was_built_is_installed(kind, built):
    done = subprocess.run(["make", "-n", "install", *kind], cwd=ROOT, env=ENVIRONMENT,
                          capture_output=True, text=True, check=True)
    assert f"install -Dm755 {built} /usr/local/bin/memprov" in done.stdout


def test_another_version_is_another_program():
    """What carries the version is made anew, the program first of all."""
    done = subprocess.run(["make", "-n", "-W", "VERSION", "all"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True,
                          check=True)
    assert "-c user/options/options_parse.c" in done.stdout and "-o build/memprov" in done.stdout
