"""report.html in a real browser: it renders, sorts, filters, keeps its state in the address, asks the network for nothing, and what a
statement's text says never becomes part of the page."""

import json

import pytest

from harness import ROOT, reports, run
from harness.browser import Browser
from harness.proxy import binary

OVERVIEW = ["How long statements took", "Statements a second", "Differences by class", "New errors", "Top regressions", "Durations over time, recorded",
            "Durations over time, target"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser, tmp_path):
    """Opens the page of a report, which `compare --merge` makes of it."""
    pages = []

    def show(content, fragment="", **size):
        if not (tmp_path / "out").exists():
            reports.write(tmp_path / "in", content)
            done = run([binary(), "compare", "--merge", tmp_path / "in", "--report", tmp_path / "out"])
            assert done.returncode == 0, done.stderr
        url = (tmp_path / "out/report.html").as_uri()
        pages.append(browser.open(url + fragment, **size))
        return pages[-1]

    yield show
    for page in pages:
        # Whatever was done to it: no error, and no request but for the page itself.
        assert page.complaints() == []
        assert {url.split("#")[0] for url in page.requests()} == {(tmp_path / "out/report.html").as_uri()}
        page.close()


def test_it_renders_all_of_a_report(page):
    shown = page(reports.report(40))
    assert shown.texts("h2") == OVERVIEW
    assert "answered differently" in shown.texts("#verdict")[0]
    # Two lines of each chart, and cells in both heat maps, within the chart.
    assert shown.js("document.querySelectorAll('svg path.line').length") >= 4
    assert shown.js("[...document.querySelectorAll('svg path.cells')].length") > 4
    assert shown.js("[...document.querySelectorAll('svg path')].every((path) => !/NaN|Infinity|undefined/.test(path.getAttribute('d')))")
    for tab, heading in [("statements", "Statements by pattern"), ("differences", "Differences"), ("run", "Lateness")]:
        shown.click(f"[data-tab={tab}]")
        assert heading in shown.texts("h2")
    assert "Skipped" in shown.texts("h2") and "changes data" in shown.texts("dt")


def test_a_click_on_a_heading_sorts(page):
    shown = page(reports.report(150))
    shown.click("[data-tab=statements]")
    counts = lambda: shown.js("""[...document.querySelectorAll('#statements tr.row')].map((row) => row.children[2].textContent.replace(/\\D/g, '') * 1)""")
    by_impact = counts()
    shown.click("th[data-column=count] button")
    falling = counts()
    assert len(falling) == 100 and falling == sorted(falling, reverse=True) != by_impact
    assert shown.js("document.querySelector('th[data-column=count]').getAttribute('aria-sort')") == "descending"
    shown.click("th[data-column=count] button")
    rising = counts()
    assert rising == sorted(rising) and rising[0] <= falling[-1]
    # The rest is a click away.
    shown.click(".more")
    assert len(counts()) == 150
    shown.click("th[data-column=pattern] button")
    patterns = shown.texts("#statements tr.row td.text")
    assert patterns == sorted(patterns)


def test_words_and_classes_filter(page):
    content = reports.report(120)
    shown = page(content)
    shown.click("[data-tab=statements]")
    shown.type("#filter", "stock a1")
    patterns = shown.texts("#statements tr.row td.text")
    assert patterns and all("stock" in pattern and "a1" in pattern for pattern in patterns)
    assert shown.js("document.activeElement.id") == "filter"
    shown.type("#filter", "no such words")
    assert shown.texts(".empty") == ["No pattern matches."]
    shown.type("#filter", "")
    shown.js("document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'))")
    shown.click(".choices [data-class=rows]")
    with_rows = [digest for digest in content["digests"] if "rows" in digest["classes"]]
    assert len(shown.texts("#statements tr.row")) == len(with_rows) > 0


def test_the_address_keeps_what_is_shown(page):
    content = reports.report(60)
    first = page(content)
    first.click("[data-tab=statements]")
    first.click("th[data-column=p99o] button")
    first.type("#filter", "orders")
    first.click("#statements tr.row")
    fragment = first.js("location.hash")
    assert {"tab=statements", "sort=p99o", "q=orders"} <= set(fragment[1:].split("&"))
    second = page(content, fragment)
    for what in ("#statements tr.row td.text", "tr.detail pre"):
        assert second.texts(what) == first.texts(what) != []
    assert second.js("document.querySelector('#filter').value") == "orders"
    # Nonsense in an address shows the beginning.
    assert page(content, "#tab=__proto__&sort=constructor&q=%3Cb%3E").texts("[aria-selected=true]") == ["Overview"]


@pytest.mark.parametrize("tab", ["overview", "statements", "differences", "run"])
def test_hostile_text_stays_text(page, tab):
    content = reports.report(3, hostile=True)
    hostile = content["digests"][0]
    hostile["classes"] = {"error": 1}
    example = {"session": reports.HOSTILE, "number": 1, "sql": reports.HOSTILE, "sql_is_cut": False, "expected": reports.HOSTILE, "observed": reports.HOSTILE}
    content["differences"].append({"class": "error", "digest": hostile["digest"], "expected": reports.HOSTILE, "observed": reports.HOSTILE, "count": 1,
                                   "noise": 0, "time_ns": 1, "impact": 0, "example": example})
    content["notes"] = [reports.HOSTILE]
    content["skipped"] = {reports.HOSTILE: 1}
    content["expected"]["name"] = content["observed"]["server_version"] = reports.HOSTILE
    hostile["explain"] = {"expected": {"plan": reports.HOSTILE, "error": None}, "observed": {"plan": "", "error": reports.HOSTILE}}
    shown = page(content)
    shown.click(f"[data-tab={tab}]")
    # Everything that opens, open.
    for number in range(shown.js("document.querySelectorAll('tr.row').length")):
        shown.js(f"document.querySelectorAll('tr.row')[{number}].click()")
    assert reports.HOSTILE in shown.js("document.body.innerText.replaceAll('\\n', ' ')").replace("\u00a0", " ") or tab == "statements"
    assert shown.js("window.hacked") is None
    assert shown.js("document.querySelectorAll('script').length") == 2
    assert shown.js("document.querySelectorAll('#app script, #app img, #app svg[onload], #app b[class]').length") == 0


@pytest.mark.parametrize("patterns", [0, 1, 500])
def test_any_number_of_patterns_fits(page, patterns):
    content = reports.report(patterns, untrusted=patterns == 500)
    for digest in content["digests"][:1]:
        digest["pattern"] = digest["sample"] = "select " + ", ".join(f"column_{number}" for number in range(2000))
    for width, dark in [(1400, False), (800, True), (390, False)]:
        shown = page(content, width=width, dark=dark)
        for tab in ("overview", "statements", "differences", "run"):
            shown.click(f"[data-tab={tab}]")
            # Tables scroll by themselves; the page never does sideways.
            assert shown.js("document.documentElement.scrollWidth <= window.innerWidth"), (width, tab)
        if patterns == 500:
            assert shown.texts("#untrusted b") == ["Do not trust the timings. "]
    if not patterns:
        assert shown.texts("#verdict") == ["No statement was compared."]


def test_colours_are_the_systems_or_those_that_were_chosen(page):
    content = reports.report(5)
    background = lambda shown: shown.js("getComputedStyle(document.body).backgroundColor")
    light, dark = background(page(content)), background(page(content, dark=True))
    assert light != dark
    shown = page(content, "#theme=dark")
    assert background(shown) == dark
    shown.click(".theme")
    assert background(shown) == light and "theme" not in shown.js("location.hash")


def test_numbers_have_units(page):
    content = reports.report(1)
    content["time_ns"] = {"expected": 950, "observed": 7_384_000_000_000}
    content["latency"] = {"expected": reports.histogram([1500] * 9), "observed": reports.histogram([1_500_000] * 9)}
    tiles = dict(zip(*(page(content).texts(f".tile .{part}") for part in ("label", "value"))))
    assert tiles["Time of all statements"] == "2 h 3 min"
    # The middle of a bucket.
    assert tiles["p50 on the target"] == tiles["p99 on the target"] == "1.49 ms"


def test_the_documented_form_is_the_one_that_is_written(tmp_path):
    """docs/report.md names every member of report.json."""
    reports.write(tmp_path / "in", reports.report(40))
    assert run([binary(), "compare", "--merge", tmp_path / "in", tmp_path / "in", "--report", tmp_path / "out"]).returncode == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    document = (ROOT / "docs/report.md").read_text()
    names = set(report) | set(report["digests"][0]) | set(report["differences"][0]) | set(report["differences"][0]["example"])
    names |= set(report["latency"]["expected"]) | set(report["series"]) | set(report["lateness"]) | set(report["expected"])
    assert [name for name in sorted(names) if f"`{name}`" not in document] == []
    assert report["statements"] == 2 * reports.report(40)["statements"]
    lines = [json.loads(line) for line in (tmp_path / "out/diffs.ndjson").read_text().splitlines()]
    assert lines == report["differences"]
