# SPDX-License-Identifier: BSD-2-Clause
"""A fresh machine gets what it needs: each target of make installs its own classes of packages."""
import os
import re
import subprocess

import pytest

from memprov import ROOT

pytestmark = pytest.mark.plain

PACKAGES = ROOT / "packages"
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
    (["test"], ["build", "test"]), (["check"], ["build", "test"]), (["fuzz"], ["build", "test"]),
    (["pictures"], ["build", "test"]), (["web"], ["web"]), (["test-vm"], ["build", "test", "vm"]),
    (["bench"], ["build", "bench"]), (["test-fresh"], ["fresh"])], ids=lambda words: "+".join(words))
def test_a_target_installs_its_packages(words, classes):
    assert installs(*words) == [listed(*classes)]


def test_each_of_two_targets_installs_its_packages():
    assert installs("run", "test") == [listed("build"), listed("build", "test")]
