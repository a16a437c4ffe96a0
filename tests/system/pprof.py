# SPDX-License-Identifier: BSD-2-Clause
"""A strict reader of profiles, written from the published description of the format alone."""
import gzip
import pathlib
import os
import subprocess
import tempfile


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        assert shift <= 70, "a varint without end"
        if byte < 0x80:
            return value, at


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def fields(data):
    """[(number, value)]: an int, or bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            length, at = varint(data, at)
            assert at + length <= len(data)
            value, at = data[at:at + length], at + length
        found.append((key >> 3, value))
    return found


def message(data, **names):
    """{name: value}; a name that ends in "_" is a list: of ints, packed or not, or of bytes."""
    out = {name: [] if name.endswith("_") else 0 for name in names}
    by_number = {number: name for name, number in names.items()}
    for number, value in fields(data):
        name = by_number[number]  # memprov writes no other fields
        if not name.endswith("_"):
            out[name] = value
        else:
            out[name].append(value)
    return out


def ints(values):
    out = []
    for value in values:
        at = 0
        while isinstance(value, bytes) and at < len(value):
            number, at = varint(value, at)
            out.append(number)
        if isinstance(value, int):
            out.append(value)
    return out


class Profile:
    """samples: [{"values", "stack" (names, innermost first), "labels"}]"""

    def __init__(self, body):
        p = message(gzip.decompress(body), sample_type_=1, sample_=2, mapping_=3, location_=4,
                    function_=5, string_=6, time_nanos=9, period_type=11, period=12, comment_=13,
                    default_sample_type=14)
        self.strings = [s.decode("utf-8") for s in p["string_"]]
        assert self.strings[0] == "" and len(set(self.strings)) == len(self.strings)
        assert p["time_nanos"] > 0 and p["period"] == 1 and p["period_type"]
        self.types = [self.value_type(t) for t in p["sample_type_"]]
        assert self.types and not any("-" in word for pair in self.types for word in pair)
        self.default = self.strings[p["default_sample_type"]]
        assert self.default in [kind for kind, _ in self.types]
        self.comments = [self.strings[i] for i in ints(p["comment_"])]
        self.mappings = self.read_mappings(p["mapping_"])
        self.functions = self.read_functions(p["function_"])
        self.locations = self.read_locations(p["location_"])
        self.samples = [self.read_sample(s) for s in p["sample_"]]
        used = {i for s in self.samples for i in s["ids"]}
        assert used == set(range(1, len(self.locations) + 1)), "a location that no sample uses"

    def value_type(self, data):
        t = message(data, type=1, unit=2)
        return self.strings[t["type"]], self.strings[t["unit"]]

    def read_mappings(self, rows):
        rows = [message(m, id=1, start=2, limit=3, offset=4, filename=5, build_id=6,
                        functions=7, filenames=8, lines=9, inline=10) for m in rows]
        assert [m["id"] for m in rows] == list(range(1, len(rows) + 1))
        end = 0
        for m in rows:
            assert end <= m["start"] < m["limit"] and m["functions"] == 1
            assert self.strings[m["filename"]]
            end = m["limit"]
        return rows

    def read_functions(self, rows):
        rows = [message(f, id=1, name=2, system_name=3, filename=4) for f in rows]
        assert [f["id"] for f in rows] == list(range(1, len(rows) + 1))
        assert all(self.strings[f["name"]] for f in rows)
        return rows

    def read_locations(self, rows):
        rows = [message(r, id=1, mapping=2, address=3, line_=4) for r in rows]
        assert [r["id"] for r in rows] == list(range(1, len(rows) + 1))
        for r in rows:
            if r["mapping"]:
                m = self.mappings[r["mapping"] - 1]
                assert m["start"] <= r["address"] < m["limit"]
            r["lines"] = [message(n, function=1, line=2) for n in r["line_"]]
            assert r["lines"]
            r["names"] = [self.strings[self.functions[n["function"] - 1]["name"]]
                          for n in r["lines"]]
            assert all(0 < n["function"] <= len(self.functions) and signed(n["line"]) >= 0
                       for n in r["lines"])
        return rows

    def read_sample(self, data):
        s = message(data, location_=1, value_=2, label_=3)
        ids, values = ints(s["location_"]), [signed(v) for v in ints(s["value_"])]
        assert len(values) == len(self.types) and min(values) >= 0 and ids
        labels = [message(label, key=1, str=2) for label in s["label_"]]
        named = {self.strings[i["key"]]: self.strings[i["str"]] for i in labels}
        assert len(named) == len(labels) and all(named) and all(named.values())
        return {"ids": ids, "values": values, "labels": named,
                "stack": [name for i in ids for name in self.locations[i - 1]["names"]]}

    def total(self, kind):
        column = [name for name, _ in self.types].index(kind)
        return sum(s["values"][column] for s in self.samples)


def go(*args, **run):
    """What `go tool pprof` says; it may write nothing but here."""
    with tempfile.TemporaryDirectory(prefix="memprov-pprof-") as home:
        done = subprocess.run(["go", "tool", "pprof", *map(str, args)], capture_output=True,
                              text=True, env=go_env(home), timeout=120, **run)
    assert done.returncode == 0, done.stderr
    return done.stdout


def go_env(home):
    return {**os.environ, "HOME": str(home), "PPROF_TMPDIR": str(pathlib.Path(home, "pprof")),
            "XDG_CONFIG_HOME": str(home), "GOCACHE": str(pathlib.Path(home, "cache"))}
