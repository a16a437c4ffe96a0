# SPDX-License-Identifier: BSD-2-Clause
"""The page and the flame graph, in a real Chromium."""
import contextlib
import os
import re
import time

import pytest

from browser import Browser
from memprov import MIB, Agent, Target, stopped, until
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.plain

EVIL = "<img src=x onerror=document.title='pwned'>"
MARKUP = "<b id=pwn>"  # a comm has no room for more


@pytest.fixture(scope="module")
def chromium():
    browser = Browser()
    yield browser
    browser.close()


# Chromium writes a line for each answer that is no 200. A process that has just begun has no history.
EXPECTED = re.compile(r"\S+/debug/memory/history\?\S* - Failed to load resource: .* status of (404|503) .*")


@pytest.fixture
def page(chromium, daemon):
    """Every test: nothing on the console, no request to anywhere else."""
    chromium.begin()
    chromium.base = f"http://{daemon.host}:{daemon.port}"
    yield chromium
    console, requests = chromium.logs()
    assert [line for line in console if not EXPECTED.fullmatch(line)] == []
    allowed = (chromium.base + "/", "data:,", "file://")
    assert [url for url in requests if not url.startswith(allowed)] == []


@contextlib.contextmanager
def start_redis(path):
    with Target("/usr/bin/redis-server", "--port", "0", "--unixsocket", path, "--save",
                "") as target:
        until(path.exists, "redis to listen")
        time.sleep(1)  # its threads have begun
        yield target


@pytest.fixture
def redis(daemon, tmp_path):
    with start_redis(tmp_path / "redis.sock") as target:
        yield target


@pytest.fixture
def known_redis(daemon, tmp_path):
    """One whose stacks were copied: while very much else is mapped on the machine, some are not."""
    for i in range(10):
        with start_redis(tmp_path / f"redis{i}.sock") as target:
            sites = daemon.report(target.pid, all=1)["callsites"]
            if any(s["owner"] and s["owner"]["function"] == "bioInit" for s in sites):
                yield target
                return
        time.sleep(1)
    stacks = {k: v for k, v in daemon.metrics().items() if "stacks" in k or "callsites" in k}
    raise AssertionError(f"no redis whose stacks are known: {stacks}, "
                         f"{[s['owner'] for s in sites]}")


def wait(page, css, count=1, seconds=20):
    until(lambda: len(page.all(css)) >= count, css)
    return page.one(css)


def open_list(page):
    page.driver.get(page.base + "/")
    wait(page, "tbody tr")


def open_process(page, pid):
    page.driver.get("about:blank")
    page.driver.get(f"{page.base}/#/pid/{pid}")
    wait(page, ".frame")


def rows(page):
    """The table, as text."""
    return page.run("return [...document.querySelectorAll('tbody tr')].map(tr => "
                    "[...tr.children].map(cell => cell.textContent))")


def amount(text):
    """'1.4 GB' as a number; '–', what is not known, as None."""
    if text == "–":
        return None
    number, unit = text.replace("−", "-").replace("+", "").split(" ")
    return float(number) * 1024 ** ["B", "kB", "MB", "GB", "TB"].index(unit)


def shown_bytes(page, css):
    return int(page.one(css).get_attribute("data-bytes"))


# --- a person looks for redis -------------------------------------------------------------------


def test_from_the_list_to_a_call_site(page, daemon, known_redis):
    open_list(page)
    page.one("input[type=search]").send_keys(str(known_redis.pid))
    until(lambda: len(rows(page)) == 1, "the filter")
    row = rows(page)[0]
    assert row[0] == "redis-server" and row[1] == str(known_redis.pid)
    with stopped(known_redis.pid):
        page.click("tbody a")
        wait(page, ".frame")
        report = daemon.report(known_redis.pid, all=1)
        assert page.text("main h2") == f"redis-server {known_redis.pid}"
        assert "/usr/bin/redis-check-rdb" in page.text("dl")
        # Redis starts its threads here.
        site = next(s for s in report["callsites"]
                    if s["owner"] and s["owner"]["function"] == "bioInit")
        until(lambda: "bioInit" in page.text("[aria-label='Call sites']"), "its stack")
        shown = next(e for e in page.all("details") if "bioInit" in e.text)
        assert shown.find_elements("css selector", "li") == []
        page.click(shown.find_element("css selector", "summary"))
        # The page hears of it in a task of its own.
        lines = until(lambda: [li.text for li in shown.find_elements("css selector", "li")], "its frames")
        assert [line.split(" ")[0] for line in lines] == [f["function"] for f in site["stack"]]
        assert page.run("return arguments[0].querySelector('li').checkVisibility()", shown)


def test_the_page_takes_four_requests(page, daemon, redis):
    """The page, compressed, the list, kills and alerts. (How long they take: tests/bench/moments.py.)"""
    open_list(page)
    compressed, size, others = page.run("""
        const [page] = performance.getEntriesByType('navigation');
        const others = performance.getEntriesByType('resource').map(entry => entry.name);
        return [page.encodedBodySize, page.decodedBodySize, others]""")
    assert compressed < 25000 < size
    assert {url.split("?")[0].removeprefix(page.base + "/debug/memory/") for url in others} == \
        {"processes", "oom", "alerts"}, others


# --- sums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["page", "standalone"])
def test_the_graphs_totals_equal_the_reports(page, daemon, redis, where):
    with settled(daemon, redis.pid):
        if where == "page":
            open_process(page, redis.pid)
        else:
            page.driver.get(f"{page.base}/debug/memory/flamegraph?pid={redis.pid}")
            wait(page, ".frame")
        totals = daemon.report(redis.pid)["totals"]
        assert shown_bytes(page, ".total") == totals["rss"]
        assert shown_bytes(page, ".frame") == totals["rss"]
        page.click("input[value=mapped]")
        assert shown_bytes(page, ".total") == totals["virtual"]
        page.click("input[value=rss]")
        assert shown_bytes(page, ".total") == totals["rss"]
        # Each frame is as large as what lies below it, or larger; siblings fit their parent.
        levels = page.run("return [...document.querySelectorAll('.frame')].map(f => "
                          "[+f.ariaLevel, +f.dataset.bytes])")
        for level in {level for level, _ in levels}:
            assert sum(n for l, n in levels if l == level) <= totals["rss"]


def table(page, label):
    """{first column: amount of the second} of one of the process's tables."""
    found = page.run("return [...document.querySelectorAll(`table[aria-label=${arguments[0]}] tr`)]"
                     ".map(tr => [...tr.children].slice(0, 2).map(cell => cell.textContent))", label)
    return {name: amount(text) for name, text in found}


def test_the_tables_say_what_the_report_says(page, daemon, redis):
    with settled(daemon, redis.pid):
        open_process(page, redis.pid)
        report = daemon.report(redis.pid)
        b = report["breakdown"]
        rows_of = {"Heap": b["runtime"]["heap"], "Stack": b["runtime"]["stack"],
                   "Metadata": b["runtime"]["metadata"], "Other": b["other"],
                   **{row["name"]: row["rss"] for row in b["named"] + b["file_backed"]},
                   **{"Anonymous " + kind.replace("_", "-"): n for kind, n in b["anonymous"].items()}}
        # One digit behind the point, where there is one.
        assert table(page, "Breakdown") == {name: pytest.approx(n, rel=0.05, abs=0.05)
                                            for name, n in rows_of.items() if n}
        assert sum(rows_of.values()) == report["totals"]["rss"]
        assert list(table(page, "Coverage").values()) == [
            pytest.approx(n, rel=0.05, abs=0.05) for n in report["coverage"].values()]
        facts = dict(zip([e.text for e in page.all("dt")], [e.text for e in page.all("dd")]))
        for name, total in (("RSS", "rss"), ("PSS", "pss"), ("Virtual", "virtual")):
            assert amount(facts[name]) == pytest.approx(report["totals"][total], rel=0.05)


@contextlib.contextmanager
def settled(daemon, pid):
    """Stopped, and seen by the daemon, which brings in pages that names and code are read from."""
    with stopped(pid):
        rss = None
        while rss != (rss := daemon.report(pid)["totals"]["rss"]):
            time.sleep(0.2)
        yield


def graph(daemon, **parameters):
    answer = daemon.get("/debug/memory/flamegraph", format="json", **parameters)
    assert answer.status == 200, answer.text
    data = answer.json
    for stack in data["stacks"]:
        assert all(0 <= frame < len(data["frames"]) for frame in stack["frames"])
        assert all(0 <= kind < len(data["classes"]) for kind, _, _ in stack["bytes"])
    for place, total in ((1, "rss"), (2, "virtual")):
        assert sum(b[place] for s in data["stacks"] for b in s["bytes"]) == data["totals"][total]
    return data


def notes(data):
    return {data["frames"][i].get("note") for s in data["stacks"] for i in s["frames"]} - {None}


def classes(data):
    sums = dict.fromkeys(data["classes"], 0)
    for stack in data["stacks"]:
        for kind, rss, _ in stack["bytes"]:
            sums[data["classes"][kind]] += rss
    return sums


def test_the_data_of_the_graph(daemon, agent, redis):
    at = agent.map(8 * MIB)
    agent.name(at, 8 * MIB, b"eight")
    agent.call("fill", at, 8 * MIB, 1)
    with settled(daemon, agent.pid):
        data, report = graph(daemon, pid=agent.pid), daemon.report(agent.pid)
        assert data["totals"] == {key: report["totals"][key] for key in ("rss", "virtual")}
        sums, b = classes(data), report["breakdown"]
        assert sums["named"] == 8 * MIB == sum(row["rss"] for row in b["named"])
        assert {name: sums[name] for name in ("heap", "stack", "metadata")} == b["runtime"]
        assert sums["anonymous read-write"] == b["anonymous"]["read_write"]
        assert sums["other"] == b["other"]
        assert "exec and kernel" in notes(data) and "call sites left out" not in notes(data)
        # What is left out is summed, not dropped.
        one, large = graph(daemon, pid=agent.pid, top=1), graph(daemon, pid=agent.pid, min="1M")
        assert one["totals"] == large["totals"] == data["totals"]
        assert "call sites left out" in notes(one) & notes(large)
        assert len(one["stacks"]) < len(data["stacks"]) and classes(one) == sums
    with settled(daemon, redis.pid):
        data, folded = graph(daemon, pid=redis.pid), daemon.get(
            "/debug/memory", pid=redis.pid, format="folded").text
        ours = sorted(sum(b[1] for b in s["bytes"]) for s in data["stacks"])
        assert [n for n in ours if n] == \
            sorted(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines())
    assert graph(daemon)["pid"] is None  # the node


def test_what_is_older_than_the_tracer_has_a_frame(daemon):
    assert "predates tracing" in notes(graph(daemon, pid=os.getpid()))


# --- what others call themselves ----------------------------------------------------------------


def test_names_are_shown_and_not_run(page, daemon):
    with Agent() as agent:
        agent.call("prctl", 15, MARKUP.encode() + b"\0")
        at = agent.map(9 * MIB)
        agent.name(at, 9 * MIB, EVIL.encode())
        agent.call("fill", at, 9 * MIB, 1)
        open_list(page)
        page.one("input[type=search]").send_keys(str(agent.pid))
        until(lambda: len(rows(page)) == 1, "the filter")
        assert rows(page)[0][0] == MARKUP and rows(page)[0][6] == EVIL
        page.click("tbody a")
        wait(page, ".frame")
        assert MARKUP in page.text("main h2") and EVIL in page.text("[aria-label=Breakdown]")
        assert page.driver.title == f"{MARKUP} {agent.pid}: memprov"
        check_nothing_ran(page)
        page.driver.get(f"{page.base}/debug/memory/flamegraph?pid={agent.pid}")
        wait(page, ".frame")
        assert page.text("h1") == f"{MARKUP} {agent.pid}"
        check_nothing_ran(page)


def check_nothing_ran(page):
    assert page.all("#pwn") == [] and page.all("img") == []
    assert page.driver.title != "pwned"


@pytest.mark.parametrize("name", [b"</script><b>", b"<!--<script>", b"@DATA@", b"\xff\"\\\n'\x01"])
def test_no_name_breaks_out_of_the_data(page, daemon, agent, name):
    agent.call("prctl", 15, name + b"\0")
    answer = daemon.get("/debug/memory/flamegraph", pid=agent.pid)
    head, data = answer.text.split('<script type="application/json" id="data">')
    data, tail = data.split("</script>", 1)
    assert "<" not in data and tail.count("</script>") == 1
    page.driver.get(f"{page.base}/debug/memory/flamegraph?pid={agent.pid}")
    wait(page, ".frame")
    assert str(agent.pid) in page.text("h1") and page.all("body > b") == []


# --- the list -----------------------------------------------------------------------------------


def test_sorting(page):
    open_list(page)
    page.click("#pause")
    for label, column, first in (("RSS", 2, "descending"), ("PSS", 3, "descending"),
                                 ("PID", 1, "descending"), ("Process", 0, "ascending")):
        button = next(b for b in page.all("th button") if b.text == label)
        if label != "RSS":  # sorted by that from the beginning
            page.click(button)
        for direction in (first, "ascending" if first == "descending" else "descending"):
            sorted_by = page.one("th[aria-sort]")
            assert sorted_by.text == label
            assert sorted_by.get_attribute("aria-sort") == direction
            values = [row[column] for row in rows(page)]
            if label != "Process":
                values = [int(v) if label == "PID" else amount(v) for v in values]
                assert values == sorted(values, reverse=direction == "descending"), label
            else:
                ranks = page.run("return arguments[0].map((v, i, all) => i && "
                                 "all[i - 1].localeCompare(v))", values)
                assert all(r <= 0 if direction == "ascending" else r >= 0 for r in ranks)
            page.click(button)


def test_filtering(page, agent):
    open_list(page)
    everything = len(rows(page))
    field = page.one("input[type=search]")
    for wanted, found in (("AGENT", True), (str(agent.pid), True), ("no such thing", False)):
        field.clear()
        field.send_keys(wanted)
        until(lambda: (str(agent.pid) in [r[1] for r in rows(page)]) == found, wanted)
        assert len(rows(page)) < everything
    field.send_keys("x", Keys.CONTROL + "a", Keys.DELETE)
    until(lambda: len(rows(page)) > 1, "all of them")


def test_live_refresh_and_pause(page, agent):
    """What grows is seen to grow; a reader is not disturbed; paused is paused."""
    open_list(page)
    page.run("arguments[0].value = '2'; arguments[0].dispatchEvent(new Event('change'))",
             page.one("#every"))
    page.one("input[type=search]").send_keys(str(agent.pid))
    until(lambda: len(rows(page)) == 1, "the filter")
    page.run("document.querySelector('tbody a').focus()")
    before = amount(rows(page)[0][2])
    agent.call("fill", agent.map(20 * MIB), 20 * MIB, 1)
    until(lambda: amount(rows(page)[0][2]) >= before + 20 * MIB, "the next refresh")
    assert amount(rows(page)[0][4]) == pytest.approx(20 * MIB, rel=0.05)
    assert page.focused().text == "agent"
    page.click("#pause")
    assert page.one("#pause").get_attribute("aria-pressed") == "true"
    time.sleep(0.5)
    paused = rows(page)[0][2]
    agent.call("fill", agent.map(30 * MIB), 30 * MIB, 1)
    time.sleep(3)
    assert rows(page)[0][2] == paused and "paused" in page.text("#status")
    page.click("#now")
    until(lambda: amount(rows(page)[0][2]) > amount(paused), "a refresh by hand")
    page.click("#pause")
    until(lambda: "paused" not in page.text("#status"), "it to go on")


def test_the_state_of_a_process_survives_a_refresh(page, known_redis):
    open_process(page, known_redis.pid)
    until(lambda: "bioInit" in page.text("[aria-label='Call sites']"), "its stack")
    shown = next(e for e in page.all("details") if "bioInit" in e.text)
    page.click(shown.find_element("css selector", "summary"))
    page.run("document.querySelectorAll('.frame')[3].focus()")
    focused, status = page.focused().text, page.text("#status")
    time.sleep(1)
    page.run("document.getElementById('now').click()")
    until(lambda: page.text("#status") != status, "a refresh")
    assert shown.get_attribute("open") and page.focused().text == focused


def test_a_process_that_ends(page, daemon):
    with Agent() as agent:
        open_process(page, agent.pid)
    page.click("#now")
    until(lambda: page.one("#problem").is_displayed(), "the problem")
    assert str(agent.pid) in page.text("#problem") and "Could not load" in page.text("#problem")
    console, _ = page.logs()
    assert all("404" in line for line in console), console
    assert page.one(".timeline").is_displayed() or "nothing to draw" in page.text("[aria-label=History]")


# --- the graph ----------------------------------------------------------------------------------


def test_search_and_zoom(page, redis):
    open_process(page, redis.pid)
    page.click("#pause")
    search = page.one(".flamegraph input[type=search]")
    search.send_keys("MMAP")
    matched = [f.text for f in page.all(".frame.match")]
    assert matched and all("mmap" in name for name in matched)
    assert "frames found" in page.text(".flamegraph [role=status]")
    search.clear()
    search.send_keys("x", Keys.BACKSPACE)
    assert page.all(".frame.match") == []
    frame = next(f for f in page.all(".frame") if f.text == "[exec and kernel]")
    narrow = frame.size["width"]
    page.click(frame)
    frame = next(f for f in page.all(".frame") if f.text == "[exec and kernel]")
    until(lambda: frame.size["width"] > narrow, "the zoom")
    until(lambda: frame.size["width"] == page.one(".flame").size["width"], "all of the width")
    button = page.one(".flamegraph button")
    assert button.is_enabled()
    page.click(button)
    until(lambda: frame.size["width"] == narrow, "the whole")


def test_frames_have_the_colour_of_their_class(page, redis):
    """Of the largest, where there are several: the first in what the frame says of itself."""
    open_process(page, redis.pid)
    page.click("#pause")
    colours = dict(page.run(
        "return [...document.querySelectorAll('.legend li')].map(li => [li.textContent.replace("
        "/ [0-9.]+ [kMG]?B$/, ''), getComputedStyle(li.firstChild).backgroundColor])"))
    assert len({colours["shared library"], colours["binary"], colours["stack"]}) == 3
    frames = page.run("return [...document.querySelectorAll('.frame')].map(f => "
                      "[f.ariaLabel, getComputedStyle(f).backgroundColor])")
    assert len(frames) > 5
    for label, colour in frames:
        kind = re.search(r"; ([a-z -]+) [0-9.]+ [kMG]?B(, |$)", label)[1]
        assert colour == colours[kind], label


def test_a_saved_graph_works_from_the_disk(page, daemon, redis, tmp_path):
    with settled(daemon, redis.pid):
        saved = tmp_path / "graph.html"
        saved.write_bytes(daemon.get("/debug/memory/flamegraph", pid=redis.pid).body)
        rss = daemon.report(redis.pid)["totals"]["rss"]
    page.driver.get(saved.as_uri())
    wait(page, ".frame")
    assert shown_bytes(page, ".total") == rss
    page.click(page.all(".frame")[1])
    console, requests = page.logs()
    assert console == []
    assert [url for url in requests if not url.startswith(("file://", "data:,"))] == []


# --- accessibility ------------------------------------------------------------------------------


def tab_to(page, wanted, most=400):
    """Presses Tab until the element with the focus is wanted."""
    for _ in range(most):
        page.keys(Keys.TAB)
        if wanted(page.focused()):
            return page.focused()
    raise AssertionError("Tab does not lead there")


def test_with_the_keyboard_alone(page, redis):
    open_list(page)
    page.keys(Keys.TAB)
    assert page.focused().text == "Skip to the content" and page.focused().is_displayed()
    page.keys(Keys.ENTER)
    assert page.focused().get_attribute("id") == "main"
    tab_to(page, lambda e: e.get_attribute("type") == "search").send_keys(str(redis.pid))
    until(lambda: len(rows(page)) == 1, "the filter")
    tab_to(page, lambda e: e.text == "redis-server")
    page.keys(Keys.ENTER)
    wait(page, ".frame")
    assert page.focused().get_attribute("id") == "main"
    page.run("document.getElementById('pause').click()")
    tab_to(page, lambda e: e.get_attribute("role") == "treeitem")
    assert page.focused().get_attribute("aria-level") == "1"
    assert "redis-server" in page.text(".detail")
    page.keys(Keys.ARROW_DOWN)
    assert page.focused().get_attribute("aria-level") == "2"
    first = page.focused().get_attribute("aria-label")
    page.keys(Keys.ARROW_RIGHT)
    assert page.focused().get_attribute("aria-label") != first
    assert page.text(".detail") == page.focused().get_attribute("aria-label")
    page.keys(Keys.ENTER)
    until(lambda: page.focused().size["width"] == page.one(".flame").size["width"], "the zoom")
    page.keys(Keys.ESCAPE)
    assert page.focused().get_attribute("aria-level") == "1"
    # The graph is one stop, not hundreds.
    summary = tab_to(page, lambda e: e.tag_name == "summary", most=2)
    page.keys(Keys.ENTER)
    assert summary.find_element("xpath", "..").get_attribute("open")


def test_every_control_has_a_name(page, redis):
    """As a screen reader hears it, from the browser's own accessibility tree."""
    for address, field in ("#/", "Filter"), (f"#/pid/{redis.pid}", "Search"):
        page.driver.get("about:blank")
        page.driver.get(f"{page.base}/{address}")
        wait(page, "tbody tr")
        page.driver.execute_cdp_cmd("Accessibility.enable", {})
        nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = {}
        for node in nodes:
            if not node.get("ignored"):
                roles.setdefault(node["role"]["value"], []).append(
                    node.get("name", {}).get("value", ""))
        for role in ("button", "link", "searchbox", "combobox", "radio", "treeitem", "slider", "image",
                     "columnheader", "rowheader", "tree", "table", "heading"):
            assert all(roles.get(role, [])), (role, roles[role])
        assert roles["searchbox"] == [field]  # not the placeholder
        assert "main" in roles and "banner" in roles and roles["button"] and roles["link"]
        assert roles.get("treeitem") or roles.get("columnheader")


CONTRAST = """
const shine = c => { const v = c / 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
const parts = colour => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => .2126 * shine(r) + .7152 * shine(g) + .0722 * shine(b);
const behind = e => { for (; e; e = e.parentElement) { const p = parts(getComputedStyle(e).backgroundColor);
  if (p.length < 4 || p[3] === 1) return p; } return [255, 255, 255]; };
return [...document.body.querySelectorAll('*')].filter(e => e.checkVisibility() &&
  [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName, e.className, e.textContent];
  }).filter(row => row[0] < 4.5)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_can_be_read(page, redis, scheme):
    """WCAG AA: at least 4.5 to 1."""
    page.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    for address in ("/#/", f"/#/pid/{redis.pid}", "/debug/memory/flamegraph"):
        page.driver.get("about:blank")
        page.driver.get(page.base + address)
        wait(page, ".frame" if "1" in address or "flame" in address else "tbody tr")
        back = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (sum(int(n) for n in back[4:-1].split(",")) > 600) == (scheme == "light")
        assert page.run(CONTRAST) == []
        if page.all(".frame"):
            page.one(".flamegraph input[type=search]").send_keys("mmap")
            page.click(page.all(".frame")[1])
            assert page.run(CONTRAST) == []
            # Every class, also those that are not here.
            page.run("document.querySelector('.flame').append(...[...document.styleSheets[0]"
                     ".cssRules].flatMap(r => (r.selectorText || '').match(/\\.k-[a-z-]+/g) || [])"
                     ".map(k => Object.assign(document.createElement('div'), "
                     "{className: 'frame ' + k.slice(1), textContent: k})))")
            assert page.run(CONTRAST) == []


def test_a_phone(page, redis):
    """360 pixels wide: nothing is cut off, nothing scrolls sideways."""
    page.size(360, 740)
    for address in ("/#/", f"/#/pid/{redis.pid}", "/#/node",
                    f"/debug/memory/flamegraph?pid={redis.pid}"):
        page.driver.get("about:blank")
        page.driver.get(page.base + address)
        wait(page, "tbody tr" if address == "/#/" else ".frame")
        for summary in page.all("summary")[:3]:
            page.run("arguments[0].click()", summary)
        wide, window = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window == 360, address
        if address == "/#/":
            assert page.one(".sorts select").is_displayed()
            small = page.run("return [...document.querySelectorAll('a, button, select, input')]"
                             ".filter(e => e.checkVisibility() && "
                             "e.getBoundingClientRect().height < 24).map(e => e.outerHTML)")
            assert [html for html in small if "skip" not in html] == []
