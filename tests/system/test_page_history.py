# SPDX-License-Identifier: BSD-2-Clause
"""What the page shows of what was: timelines, what grew, kills and alerts; in a real Chromium."""
import itertools
import re
import urllib.parse

import pytest

from browser import ActionChains, Browser
from containers import Container, Pod
from made_answers import Answers, many_processes, many_sites, many_stacks
from memprov import MIB, Agent, Daemon, until
from selenium.webdriver.common.keys import Keys
from test_limits import memory_cgroup
from test_oom import LIMIT, of, watched, within
from test_page import CONTRAST, EVIL, amount, page, rows, tab_to, wait  # noqa: F401

pytestmark = pytest.mark.plain


@pytest.fixture(scope="module")
def chromium():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def daemon(bpf, logs):
    with Daemon("--pod-logs", str(logs)) as daemon:
        yield daemon


def points(daemon, **selector):
    """So far. Whoever asks for a list has what has changed read."""
    daemon.get("/debug/memory/processes")
    answer = daemon.get("/debug/memory/history", format="json", **selector)
    return answer.json["points"] if answer.status == 200 else []


@pytest.fixture(scope="module")
def grown(daemon):
    """A process that had 8 MiB, and 24 MiB more later, some moments of each."""
    with Agent() as agent:
        agent.call("prctl", 15, b"grower\0")
        agent.call("fill", agent.map(8 * MIB), 8 * MIB, 1)
        until(lambda: sum(p["rss"] > 8 * MIB for p in points(daemon, pid=agent.pid)) > 2, "moments")
        at = agent.map(24 * MIB)
        agent.name(at, 24 * MIB, b"later")
        agent.call("fill", at, 24 * MIB, 1)
        until(lambda: sum(p["rss"] > 32 * MIB for p in points(daemon, pid=agent.pid)) > 2, "moments")
        yield agent


def show(page, address, css):
    page.driver.get("about:blank")
    page.driver.get(page.base + address)
    wait(page, css)


def in_address(page):
    query = urllib.parse.urlsplit(page.driver.current_url).fragment.partition("?")[2]
    return dict(urllib.parse.parse_qsl(query))


def compared(page):
    """What it says that grew."""
    return until(lambda: re.search(r"RSS (\S+ [kMG]?B), ", page.text("[aria-label='What grew']")), "a comparison")[1]


def back_to(page, action, css, there):
    action()
    until(lambda: bool(page.one(css).is_displayed()) == there, css)


# --- ranges -------------------------------------------------------------------------------------


def test_a_drag_shows_what_grew(page, daemon, grown):
    show(page, f"/#/pid/{grown.pid}", ".timeline path")
    wait(page, ".frame")
    page.click("#pause")
    chart = page.one(".timeline")
    until(lambda: chart.is_displayed(), "the timeline")
    half = chart.size["width"] // 2
    ActionChains(page.driver).move_to_element_with_offset(chart, 20 - half, 0).click_and_hold() \
        .move_to_element_with_offset(chart, 0, 0).move_to_element_with_offset(chart, half - 20, 0).release().perform()
    assert amount(compared(page)) == pytest.approx(24 * MIB, rel=0.1)
    asked = in_address(page)
    answer = daemon.get("/debug/memory/diff", pid=grown.pid, all=1, **{k: asked[k] for k in ("from", "to")}).json
    assert amount(compared(page)) == pytest.approx(answer["totals"]["rss"]["growth"], rel=0.02)
    # Names, categories and call sites, as the daemon says.
    shown = page.run("return [...document.querySelectorAll('[aria-label=Names] tr, [aria-label=Categories] tr')]"
                     ".map(tr => [...tr.children].map(c => c.textContent))")
    assert ["later", "+24.0 MB", "0 B", "24.0 MB"] in shown
    entries = page.all("[aria-label='What grew'] details")
    assert len(entries) == len([r for r in answer["callsites"]["rows"] if r["growth"]])
    page.click(entries[0].find_element("css selector", "summary"))
    stack = [li.text.split(" ")[0] for li in until(lambda: entries[0].find_elements("css selector", "li"), "a stack")]
    assert stack == [f["function"] or stack[i] for i, f in enumerate(answer["callsites"]["rows"][0]["stack"])]
    page.click("[aria-label='What grew'] input[value=touch]")
    touched = [r for r in answer["touched"]["rows"] if r["growth"]]
    assert len(page.all("[aria-label='What grew'] details")) == len(touched)
    json_link = page.one("[aria-label='What grew'] a").get_attribute("href")
    assert daemon.get(json_link.removeprefix(page.base)).json["totals"] == answer["totals"]

    # Back takes it away, Forward brings it back, and so does the address, to somebody else.
    address, words = page.driver.current_url, compared(page)
    panel = "[aria-label='What grew']"
    back_to(page, page.driver.back, panel, False)
    assert in_address(page) == {} and page.run("return document.querySelector('.range').hidden")
    back_to(page, page.driver.forward, panel, True)
    assert compared(page) == words
    show(page, "/" + address.removeprefix(page.base + "/"), ".timeline path")
    assert compared(page) == words
    assert not page.run("return document.querySelector('.range').hidden")


def test_a_range_by_the_keyboard(page, grown):
    show(page, f"/#/pid/{grown.pid}", ".frame")
    page.run("document.getElementById('pause').click()")
    handle = tab_to(page, lambda e: e.get_attribute("role") == "slider")
    assert handle.get_attribute("aria-label") == "Beginning of the range"
    assert page.run("const s = getComputedStyle(arguments[0]); return s.outlineStyle + s.outlineWidth", handle) == "solid3px"
    before = handle.get_attribute("aria-valuetext")
    assert in_address(page) == {} and handle.get_attribute("aria-valuenow") == "0"
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert handle.get_attribute("aria-valuenow") == "1" and handle.get_attribute("aria-valuetext") != before
    compared(page)
    other = tab_to(page, lambda e: e.get_attribute("role") == "slider", most=1)
    last = int(other.get_attribute("aria-valuenow"))
    page.keys(Keys.HOME)  # no further than to its other end
    assert other.get_attribute("aria-valuenow") == "2" == other.get_attribute("aria-valuemin")
    page.keys(Keys.END)
    assert int(other.get_attribute("aria-valuenow")) == last
    page.keys(Keys.ESCAPE)
    assert in_address(page) == {} and not page.one("[aria-label='What grew']").is_displayed()
    # A range is one step for Back, however many keys it took.
    page.keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert set(in_address(page)) == {"from", "to"}
    back_to(page, page.driver.back, "[aria-label='What grew']", False)


def test_a_longer_time(page, daemon, grown):
    show(page, f"/#/pid/{grown.pid}", ".frame")
    page.run("const s = document.querySelector('[aria-label=History] select'); s.value = '24h';"
             "s.dispatchEvent(new Event('change'))")
    assert in_address(page) == {"span": "24h"}
    link = until(lambda: (a := page.one("[aria-label=History] a").get_attribute("href")) and "86400" in a and a, "its JSON")
    assert daemon.get(link.removeprefix(page.base)).json["step_s"] == 300
    page.driver.refresh()
    wait(page, ".frame")
    assert page.run("return document.querySelector('[aria-label=History] select').value") == "24h"


@pytest.mark.parametrize("address", ["/#/node", "/#/pid/{}"])
def test_what_is_drawn_is_what_history_has(page, daemon, grown, address):
    until(lambda: is_drawn(page, daemon, address.format(grown.pid)), "a drawing of what history has")


def is_drawn(page, daemon, address):
    """Between two steps of history the node's memory may have been more than at any of them."""
    show(page, address, ".timeline path")
    until(lambda: page.one(".timeline").is_displayed(), "it")
    page.click("#pause")
    drawn = page.run("return performance.getEntriesByType('resource').map(e => e.name)"
                     ".filter(n => n.includes('/history')).pop()")
    label = page.one(".timeline svg").get_attribute("aria-label")
    data = daemon.get(drawn.removeprefix(page.base)).json
    # There may be more by now, and what was the end then may lie between two steps.
    finely = daemon.get(re.sub("&step=[^&]*", "", drawn.removeprefix(page.base)) + "&step=1s").json
    most = itertools.accumulate((p["rss"] for p in finely["points"]), max)
    said = re.search(r"most (.*), at the end", label)[1]
    if not any(amount(said) == pytest.approx(n, rel=0.005, abs=MIB) for n in most):
        return False
    assert amount(page.text(".most")) == amount(said)
    names = [li.text for li in page.all("[aria-label=Categories].legend li")]
    assert names == [c for c in ("heap", "stack", "metadata", "named", "file", "anonymous", "other")
                     if any(p[c] for p in data["points"])]
    return True


def test_what_is_gone_has_its_history(page, daemon):
    with Agent() as agent:
        agent.call("fill", agent.map(6 * MIB), 6 * MIB, 1)
        until(lambda: len(points(daemon, pid=agent.pid)) > 1, "moments")
    show(page, f"/#/pid/{agent.pid}", ".timeline path")
    until(lambda: page.one("#problem").is_displayed() and page.one(".timeline").is_displayed(), "what is known")
    assert str(agent.pid) in page.text("#problem")
    console, _ = page.logs()
    assert all("404" in line for line in console), console


# --- lists --------------------------------------------------------------------------------------


def test_filter_and_order_are_in_the_address(page, grown):
    show(page, "/#/", "tbody tr")
    page.keys("/")
    assert page.focused().get_attribute("type") == "search"
    page.keys("g", "r", "o", "w")
    page.click(next(b for b in page.all("th button") if b.text == "PID"))
    assert in_address(page) == {"q": "grow", "sort": "-pid"}
    address = page.driver.current_url
    until(lambda: len(rows(page)) == 1, "the filter")
    page.click("tbody a")
    wait(page, ".frame")
    page.driver.back()
    wait(page, "tbody tr")
    until(lambda: len(rows(page)) == 1, "the filter again")
    assert page.one("input[type=search]").get_attribute("value") == "grow"
    show(page, "/" + address.removeprefix(page.base + "/"), "tbody tr")
    assert len(rows(page)) == 1 and page.one("th[aria-sort]").text == "PID"


def test_trends(page, daemon, grown):
    show(page, "/#/?q=grower", "tbody tr")
    until(lambda: page.one(".spark").get_attribute("aria-label") != "not known", "its trend")
    label = page.one(".spark").get_attribute("aria-label")
    row = next(r for r in daemon.get("/debug/memory/processes", format="json", trend=20).json["processes"]
               if r["pid"] == grown.pid)
    known = [n for n in row["trend"] if n is not None]
    assert amount(re.search("most (.*)", label)[1]) == pytest.approx(max(known), rel=0.01)
    assert page.one(".spark path").get_attribute("d").count("M") == 1


def test_containers_and_pods(page, daemon, logs):
    pod = Pod(logs, "prod", "web-0")
    with Container(pod.cgroup) as container:
        pod.link("nginx", container.id)
        container.call("fill", container.map(5 * MIB), 5 * MIB, 1)
        show(page, "/#/containers", "tbody tr")
        until(lambda: any(row[:2] == ["nginx", "prod/web-0"] for row in rows(page)), "its names")
        row = next(row for row in rows(page) if row[0] == "nginx")
        processes = [r for r in daemon.get("/debug/memory/processes", format="json").json["processes"]
                     if r["container"] and r["container"]["id"] == container.id]
        assert row[2] == str(len(processes)) and amount(row[3]) >= 5 * MIB
        assert page.one("nav [aria-current]").text == "Containers"
        assert page.run(CONTRAST) == []
        page.click(next(a for a in page.all("tbody a") if a.text == "nginx"))
        wait(page, ".frame")
        assert page.text("main h2") == "Container nginx of prod/web-0"
        page.driver.back()
        wait(page, "tbody tr")
        page.click(next(a for a in page.all("tbody a") if a.text == "prod/web-0"))
        wait(page, ".frame")
        assert page.text("main h2") == "Pod prod/web-0"
        members = page.all("[aria-label=Processes] li a")
        assert [a.text for a in members] == [f"agent {r['pid']}" for r in processes]
        until(lambda: page.one(".timeline").is_displayed(), "the pod's history")
        page.click(page.all("[aria-label=Processes] li a")[0])
        until(lambda: page.text("main h2") == f"agent {processes[0]['pid']}", "the process")


def test_what_is_shown_is_one_click_away(page, daemon, grown):
    """As JSON and as a profile, and not something else."""
    show(page, f"/#/pid/{grown.pid}", ".frame")
    found = {a.text: a.get_attribute("href").removeprefix(page.base) for a in page.all(".links a")}
    assert list(found) == ["JSON", "Text", "pprof", "Folded stacks", "Flame graph to save"]
    assert daemon.get(found["JSON"]).json["pid"] == grown.pid
    assert daemon.get(found["pprof"]).body[:2] == b"\x1f\x8b"
    assert all(daemon.get(path).status == 200 for path in found.values())
    for address in "/#/", "/#/containers":
        show(page, address, ".links a")
        found = {a.text: a.get_attribute("href").removeprefix(page.base) for a in page.all(".links a")}
        assert list(found) == ["JSON", "Text", "pprof"]
        assert all(daemon.get(path).status == 200 for path in found.values())


# --- kills and alerts ---------------------------------------------------------------------------


def kill(daemon):
    """One whose last report has stacks: on a busy machine, some have none."""
    for _ in range(5):
        with memory_cgroup(LIMIT) as group:
            watched(daemon, group)
            with within(group, "leaks", 100000) as target:
                target.process.wait()
                oom, = until(lambda: of(daemon, target.pid), "the entry")
        if oom["report"] and oom["report"]["callsites"]:
            return target, oom
    raise AssertionError(f"no call sites of a victim: {oom}")


def test_kills(page, daemon):
    show(page, "/#/", "tbody tr")
    section = "[aria-label='Killed for want of memory']"
    if not daemon.get("/debug/memory/oom", format="json").json["ooms"]:
        assert "Nothing was killed for want of memory" in page.text(section)
    target, oom = kill(daemon)
    page.click("#now")
    until(lambda: f"leaks {target.pid}" in page.text(section), "the newest")
    first = page.one(f"{section} li")
    assert f"leaks {target.pid}" in first.text and "at the limit of 160 MB" in first.text
    page.click(first.find_element("css selector", "a"))
    wait(page, "dd")
    report = oom["report"]
    assert page.text("main h2") == f"leaks {target.pid}, killed for want of memory"
    facts = dict(zip([e.text for e in page.all("dt")], [e.text for e in page.all("dd")]))
    assert facts["Limit"] == "160 MB" and facts["Trigger"] == "the victim itself"
    assert facts["Short of memory"] == f"cgroup {oom['cgroup']}" and facts["oom_score_adj"] == "0"
    assert f"Its last report, {report['age_ms']} ms before" in page.text("main")
    breakdown = dict(page.run("return [...document.querySelectorAll('[aria-label=Breakdown] tr')]"
                              ".map(tr => [...tr.children].slice(0, 2).map(c => c.textContent))"))
    assert amount(breakdown["Anonymous read-write"]) == \
        pytest.approx(report["breakdown"]["anonymous"]["read_write"], rel=0.05)
    sites = [e.text for e in page.all("[aria-label='Call sites'] summary")]
    assert [float(site.split()[0]) for site in sites[:2]] == \
        pytest.approx([s["rss"] / MIB for s in report["callsites"][:2]], rel=0.01)
    page.click("[aria-label='Call sites'] summary")
    wait(page, "[aria-label='Call sites'] li")
    assert "leak_much" in page.text("[aria-label='Call sites'] details")
    links = [a.get_attribute("href").removeprefix(page.base) for a in page.all(".links a")]
    assert links == [f"/debug/memory/oom/{oom['id']}?format=json", f"/debug/memory/oom/{oom['id']}"]
    for scheme in "dark", "light":
        page.media(prefers_color_scheme=scheme)
        assert page.run(CONTRAST) == []
    # The victim's last hour. It is gone, so there is no report of it.
    page.click("dd a")
    until(lambda: page.one("#problem").is_displayed(), "that it is gone")
    assert set(in_address(page)) == {"from", "to", "start_time"}
    console, _ = page.logs()
    assert all("404" in line for line in console), console


def alert(number, state, since, **more):
    return {"id": number, "state": state, "pid": 40 + number, "start_time": None, "comm": f"comm{number}",
            "container": None, "since": since, "slope_bytes_per_s": MIB / 60, "slope_low": 1, "slope_high": 2,
            "rss": 64 * MIB, "limit": None, "limit_at": None, "callsites": [], "names": [], **more}


def test_alerts(page):
    """Firing ones first, then the most recent; what a process calls itself is shown and not run."""
    site = {"by": "map", "growth": 5 * MIB, "owner": {"function": EVIL, "module": "/x"}, "stack": []}
    alerts = [alert(1, "resolved", "2026-11-27T09:00:00Z"), alert(2, "firing", "2026-11-27T07:00:00Z"),
              alert(3, "firing", "2026-11-27T08:00:00Z", comm=EVIL, callsites=[site], limit=128 * MIB,
                    limit_at="2026-11-27T09:04:00Z", names=[{"name": "cache", "growth": MIB}]),
              alert(4, "pending", "2026-11-27T06:00:00Z", kind="map_count"),
              alert(5, "firing", "2026-11-27T05:00:00Z", pid=None, comm=None,
                    container={"id": "ab" * 32, "name": "nginx"})]
    section = "[aria-label='Growing abnormally']"
    with Answers(page, {"/debug/memory/alerts": {"schema": 1, "alerts": alerts}}):
        show(page, "/#/", f"{section} li")
        shown = [li.text for li in page.all(f"{section} li")]
        assert [text.split()[0] for text in shown] == ["firing", "firing", "firing", "pending", "resolved"]
        assert shown[0].startswith(f"firing {EVIL} 43 since ") and f"{EVIL} +5.0 MB; cache +1.0 MB" in shown[0]
        assert "+1.0 MB a minute; RSS 64.0 MB; at its limit" in shown[0]
        assert shown[1].startswith("firing comm2 42") and shown[2].startswith("firing nginx since")
        assert "vm.max_map_count" in shown[3]
        hrefs = [a.get_attribute("href").partition("#")[2] for a in page.all(f"{section} li a")]
        assert hrefs[0] == "/pid/43?from=2026-11-27T08%3A00%3A00Z" and hrefs[2] == f"/container/{'ab' * 32}"
        assert page.all("#pwn, img") == [] and page.driver.title == "memprov"
        for scheme in "dark", "light":
            page.media(prefers_color_scheme=scheme)
            assert page.run(CONTRAST) == []
    with Answers(page, {"/debug/memory/alerts": {"schema": 1, "alerts": []}}):
        show(page, "/#/", "tbody tr")
        assert "Nothing grows abnormally." in page.text(section)


# --- very many ----------------------------------------------------------------------------------


def nodes(page):
    return page.run("return document.querySelectorAll('*').length")


def test_two_thousand_processes(page):
    """Elements for those that are drawn, and not for each. (How long it takes: tests/bench/moments.py.)"""
    with Answers(page, {"/debug/memory/processes": many_processes(2000)}):
        show(page, "/#/", "tbody tr")
        page.run("document.getElementById('pause').click()")
        assert len(rows(page)) == 200 and nodes(page) < 4500
        assert "2000 of 2000 processes" in page.text()
        more = next(b for b in page.all("button") if b.text.startswith("Show more"))
        assert more.text == "Show more: 1800 are left"
        page.click(more)
        assert len(rows(page)) == 400 and page.focused().text == "worker-200"
        page.one("input[type=search]").send_keys("worker-1999")
        until(lambda: [row[0] for row in rows(page)] == ["worker-1999"], "one that was not drawn")
        assert not more.is_displayed()


def test_five_thousand_call_sites(page, daemon, grown):
    """What is asked for is what is drawn; the graph has the largest thousand, and what is left out as one."""
    report = daemon.report(grown.pid)
    address = f"/debug/memory?pid={grown.pid}&format=json&top="
    with Answers(page, {f"{address}50": many_sites(report, 50), f"{address}150": many_sites(report, 150),
                        f"/debug/memory/flamegraph?pid={grown.pid}&format=json&top=1000": many_stacks(report, 1000)}):
        show(page, f"/#/pid/{grown.pid}", ".frame")
        page.run("document.getElementById('pause').click()")
        assert len(page.all("[aria-label='Call sites'] details")) == 50
        assert page.all("[aria-label='Call sites'] li") == []
        # A frame is at least two pixels wide.
        levels = page.run("return Math.max(...[...document.querySelectorAll('.frame')].map(f => +f.ariaLevel))")
        assert len(page.all(".frame")) <= levels * 600
        assert nodes(page) < 20000
        page.click(page.one("[aria-label='Call sites'] summary"))
        until(lambda: len(page.all("[aria-label='Call sites'] li")) == 30, "one stack")
        more = next(b for b in page.all("[aria-label='Call sites'] button"))
        page.click(more)
        until(lambda: len(page.all("[aria-label='Call sites'] details")) == 150, "more")
        assert in_address(page) == {"sites": "150"} and page.focused() == more
    parameters = {"pid": grown.pid, "format": "json", "top": 1}
    frames = daemon.get("/debug/memory/flamegraph", **parameters).json["frames"]
    assert "call sites left out" in [frame.get("note") for frame in frames]


def test_a_phone(page, daemon, grown):
    """360 pixels wide: nothing is cut off, nothing scrolls sideways."""
    page.size(360, 740)
    at = [p["at"] for p in points(daemon, pid=grown.pid)]
    for address, css in (("/#/containers", "main h2"), (f"/#/pid/{grown.pid}?from={at[0]}&to={at[-1]}", ".frame")):
        show(page, address, css)
        if "from" in address:
            compared(page)
            for scheme in "dark", "light":
                page.media(prefers_color_scheme=scheme)
                assert page.run(CONTRAST) == []
        wide, window = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window == 360, address
