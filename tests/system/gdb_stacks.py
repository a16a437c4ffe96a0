# SPDX-License-Identifier: BSD-2-Clause
"""Run inside gdb: stops at the return of each mmap of 64 KiB or more, takes gdb's own stack, and asks
the daemon for the stack of the call site of the region that has just come to be. One JSON line each.

    gdb -batch -x gdb_stacks.py --args PROGRAM …
    STACKS_OUT=FILE STACKS_DAEMON=http://… STACKS_MAX=N
"""
import json
import os
import urllib.request

import gdb

MIN = 65536
OUT = open(os.environ["STACKS_OUT"], "w")
DAEMON = os.environ["STACKS_DAEMON"]
MAX = int(os.environ.get("STACKS_MAX", "120"))
TRIES = 10  # on a busy machine a stack may take longer than a request waits for it
done = 0
entered = {}  # by thread: the length that the call that has begun asks for


def register(name):
    return int(gdb.parse_and_eval(f"(unsigned long)${name}"))


def frames():
    """Innermost first: where each frame is, and what gdb calls it. Functions that were inlined or
    that ended in a jump to the next one (which gdb adds from debug information) have no frame."""
    result = []
    frame = gdb.newest_frame()
    while frame is not None and len(result) < 200:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            result.append([frame.pc(), frame.name(), frame.type() == gdb.SIGTRAMP_FRAME])
        try:
            frame = frame.older()
        except gdb.error:
            break
    return result


def ask(pid, address):
    url = f"{DAEMON}/debug/memory?pid={pid}&format=json&all=1"
    with urllib.request.urlopen(url, timeout=120) as answer:
        report = json.load(answer)
    sites = {site["id"]: site for site in report["callsites"]}
    for region in report["regions"]:
        if int(region["start"], 16) <= address < int(region["end"], 16):
            return region, sites.get(region["callsite"])
    return None, None


def mappings(pid):
    rows = []
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            fields = line.split(None, 5)
            lo, hi = (int(x, 16) for x in fields[0].split("-"))
            rows.append((lo, hi, fields[1], int(fields[2], 16), fields[5].strip()
                         if len(fields) > 5 else ""))
    return rows


def stopped():
    global done
    thread = gdb.selected_thread()
    if thread is None:
        return
    key = thread.ptid
    # Its own way to tell entry from return: rax is -ENOSYS at entry (x86-64).
    if register("rax") == 2**64 - 38:
        entered[key] = register("rsi")
        return
    length = entered.pop(key, None)
    address = register("rax")
    if length is None or length < MIN or address >= 2**64 - 4095:
        return
    pid = thread.ptid[0]
    stack = frames()
    for _ in range(TRIES):
        region, site = ask(pid, address)
        if site:
            break
    print(json.dumps({"address": address, "length": length, "gdb": stack, "region": region,
                      "site": site, "maps": mappings(pid)}), file=OUT)
    done += 1


gdb.execute("set pagination off")
gdb.execute("set debuginfod enabled off")
gdb.execute("set confirm off")
gdb.execute("set print thread-events off")
gdb.execute("handle SIGSEGV SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIG32 SIG33 SIG34 nostop noprint pass")
gdb.execute("set breakpoint pending on")
gdb.execute("catch syscall mmap")
gdb.execute("run")
while True:
    if gdb.selected_inferior().pid == 0 or done >= MAX:
        break
    stopped()
    gdb.execute("continue")
OUT.close()
if gdb.selected_inferior().pid:
    gdb.execute("kill")
