"use strict";
// Draws the report that stands in this page. Whatever comes from the report becomes text, never markup.
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const app = document.getElementById("app");
  const state = { tab: "overview", sort: "impact", dir: "desc", q: "", cls: "", open: "", theme: "" };

  // --- Elements ---
  const el = (tag, props, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props || {})) {
      if (name === "class") node.className = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== null) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };
  const svg = (tag, props, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(props || {})) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // --- Numbers for people ---
  const number = (value) => Math.round(value).toLocaleString("en-US").replace(/,/g, "\u202f");
  const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
  const digits = (value) => (value >= 99.5 ? value.toFixed(0) : value >= 9.95 ? value.toFixed(1) : value.toFixed(2));
  const duration = (ns) => {
    if (ns === undefined || ns === null) return "\u2013";
    if (ns < 999.5) return `${Math.round(ns)} ns`;
    if (ns < 999.5e3) return `${digits(ns / 1e3)} \u00b5s`;
    if (ns < 999.5e6) return `${digits(ns / 1e6)} ms`;
    if (ns < 120e9) return `${digits(ns / 1e9)} s`;
    const seconds = Math.round(ns / 1e9);
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
    return h ? `${number(h)} h ${m} min` : `${m} min ${s} s`;
  };
  const rate = (value) => (value >= 10 || value === 0 ? number(value) : value.toFixed(1));
  const roundUp = (value) => {
    const unit = 10 ** Math.floor(Math.log10(value));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * unit).find((step) => step >= value * 0.9999);
  };
  const percent = (share) => {
    const value = share * 100;
    const size = Math.abs(value);
    if (size === 0) return "0%";
    if (size < 0.01) return `${value < 0 ? "\u2212" : ""}<0.01%`;
    const text = size >= 99.5 ? number(size) : size >= 9.95 ? size.toFixed(1) : size.toFixed(2);
    return `${value < 0 ? "\u2212" : ""}${text}%`;
  };
  const signed = (share) => (share > 0 ? "+" : "") + percent(share);
  const ratio = (now, before) => (before > 0 ? now / before : null);
  const times = (value) => (value === null ? "\u2013" : `${value >= 9.95 ? value.toFixed(1) : value.toFixed(2)}\u00d7`);
  const tone = (value) => (value === null ? "dim" : value >= 1.2 ? "bad" : value <= 1 / 1.2 ? "good" : "");

  // --- Histograms: bucket numbers as docs/report.md has them ---
  const lower = (bucket, bits) => {
    const parts = 2 ** bits;
    return bucket < parts ? bucket : (parts + (bucket % parts)) * 2 ** (Math.floor(bucket / parts) - 1);
  };
  const upper = (bucket, bits) => lower(bucket + 1, bits);

  // --- What the report says ---
  const TITLES = {
    session: "Sessions that failed", error: "Errors", rows: "Rows", affected: "Affected rows", order: "Order of rows",
    nature: "Different by nature", warnings: "Warnings", time: "Time",
  };
  const EXPLAINED = {
    session: "the session could not go on, or a command's outcome is unknown",
    error: "an error that is new, gone, or another one",
    rows: "another number of rows, or other values in them",
    affected: "another number of affected rows",
    order: "the same rows in another order, although the statement has an ORDER BY",
    nature: "the statement does not determine it: NOW(), UUID(), generated keys, LIMIT without ORDER BY and the like",
    warnings: "another number of warnings",
    time: `slower or faster by more than ${report.time_factor}\u00d7 and ${duration(report.time_floor_ns)}`,
  };
  const OUTCOME = ["session", "error", "rows", "affected", "order"];
  const classes = Object.keys(TITLES).filter((name) => report.classes[name]);
  const excess = (item) => item.count - (item.noise || 0);
  const outcomes = OUTCOME.reduce((sum, name) => sum + (report.classes[name] ? excess(report.classes[name]) : 0), 0);
  const latency = report.latency;
  const recordedFor = report.expected.duration_ns, targetFor = report.observed.duration_ns;
  const windowText = `over the whole run${targetFor ? ` (${duration(targetFor)})` : ""}`;
  const mismatches = (digest) => OUTCOME.reduce((sum, name) => sum + (digest.classes[name] || 0), 0);
  const patterns = new Map(report.digests.map((digest) => [digest.digest, digest]));

  const THEMES = { "": "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

  // --- The address keeps what is shown ---
  const readHash = () => {
    const found = new URLSearchParams(location.hash.slice(1));
    for (const name of Object.keys(state)) state[name] = found.get(name) ?? { tab: "overview", sort: "impact", dir: "desc" }[name] ?? "";
    // Whatever an address says, only what there is counts.
    if (!Object.hasOwn(views, state.tab)) state.tab = "overview";
    if (!Object.hasOwn(columns, state.sort)) state.sort = "impact";
    if (!Object.hasOwn(THEMES, state.theme)) state.theme = "";
    if (!classes.includes(state.cls)) state.cls = "";
  };
  const go = (change, keepFocus) => {
    Object.assign(state, change);
    const params = new URLSearchParams();
    const usual = { tab: "overview", sort: "impact", dir: "desc" };
    for (const [name, value] of Object.entries(state)) if (value && value !== usual[name]) params.set(name, value);
    history.replaceState(null, "", `#${params}`);
    draw(keepFocus);
  };

  // --- Charts ---
  const W = 640, LEFT = 46, RIGHT = 12, TOP = 10;
  const logScale = (lo, hi, from, to) => {
    const [a, b] = [Math.log10(lo), Math.log10(hi)];
    const scale = (value) => from + ((Math.log10(Math.max(value, lo)) - a) / (b - a || 1)) * (to - from);
    scale.back = (at) => 10 ** (a + ((at - from) / (to - from)) * (b - a));
    return scale;
  };
  const decades = (lo, hi) => {
    const found = [];
    for (let power = Math.ceil(Math.log10(lo) - 1e-9); 10 ** power <= hi * 1.0001; power += 1) found.push(10 ** power);
    return found;
  };
  const plainDuration = (ns) => duration(ns).replace(/\.0+(?= )/, "");
  const range = (histograms, bits) => {
    const filled = histograms.flatMap((histogram) => histogram.buckets).filter(([, count]) => count > 0).map(([bucket]) => bucket);
    if (!filled.length) return null;
    const [lo, hi] = [Math.max(1, lower(Math.min(...filled), bits)), upper(Math.max(...filled), bits)];
    return hi / lo < 10 ? [lo / 2, hi * 2] : [lo, hi];
  };
  const legend = () => el("div", { class: "legend" },
    el("span", {}, el("i", { class: "key" }), "recorded"), el("span", {}, el("i", { class: "key target" }), "target"));

  // Shows what is under the pointer, in a line below the chart.
  const follow = (chart, hint, H, bottom, text) => {
    const cursor = svg("line", { class: "cursor", y1: TOP, y2: H - bottom, visibility: "hidden" });
    chart.append(cursor);
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const x = Math.min(W - RIGHT, Math.max(LEFT, ((event.clientX - box.left) / box.width) * W));
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, x);
      cursor.setAttribute("visibility", "visible");
      hint.textContent = text(x);
    });
    chart.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); hint.textContent = ""; });
  };

  const cdf = (pair, H = 260) => {
    const limits = range([pair.expected, pair.observed], 5);
    if (!limits) return el("p", { class: "empty" }, "No durations are known of both executions.");
    const bottom = 24;
    const x = logScale(limits[0], limits[1], LEFT, W - RIGHT);
    const y = (share) => H - bottom - share * (H - bottom - TOP);
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Share of statements that took no longer than a duration" });
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      chart.append(svg("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: y(share), y2: y(share) }),
        svg("text", { x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, `${share * 100}%`));
    }
    for (const ns of decades(...limits)) chart.append(svg("text", { x: x(ns), y: H - 6, "text-anchor": "middle" }, plainDuration(ns)));
    const shareUpTo = (histogram, ns) => {
      let sum = 0;
      for (const [bucket, count] of histogram.buckets) if (lower(bucket, 5) < ns) sum += count;
      return histogram.count ? sum / histogram.count : 0;
    };
    for (const [side, histogram] of [["recorded", pair.expected], ["target", pair.observed]]) {
      let sum = 0, d = `M${LEFT} ${y(0)}`;
      for (const [bucket, count] of histogram.buckets) {
        d += `L${x(lower(bucket, 5)).toFixed(1)} ${y(sum / histogram.count).toFixed(1)}`;
        sum += count;
        d += `L${x(upper(bucket, 5)).toFixed(1)} ${y(sum / histogram.count).toFixed(1)}`;
      }
      chart.append(svg("path", { class: `line ${side}`, d: `${d}L${W - RIGHT} ${y(1)}` }));
    }
    const hint = el("div", { class: "hint" });
    follow(chart, hint, H, bottom, (at) => {
      const ns = x.back(at);
      return `up to ${duration(ns)}: recorded ${percent(shareUpTo(pair.expected, ns))}, target ${percent(shareUpTo(pair.observed, ns))}`;
    });
    return el("div", {}, chart, hint);
  };

  const columnsOfTime = () => {
    // At most 120 columns, whatever the number of intervals.
    const length = Math.max(report.series.expected.length, report.series.observed.length);
    const step = Math.max(1, Math.ceil(length / 120));
    return { length: Math.ceil(length / step), step, width: report.series.interval_ns * step };
  };
  const timeAxis = (chart, x, total, H) => {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].map((s) => s * 1e9);
    const step = steps.find((ns) => total / ns <= 8) || total / 6;
    for (let at = 0; at <= total * 1.0001; at += step) {
      const text = at === 0 ? "0" : plainDuration(at).replace(/(min|h) 0 (s|min)/, "$1");
      chart.append(svg("text", { x: x(at), y: H - 6, "text-anchor": "middle" }, text));
    }
  };

  const throughput = () => {
    const { length, step, width } = columnsOfTime();
    if (!length) return el("p", { class: "empty" }, "No statement was compared.");
    const H = 260, bottom = 24, total = length * width;
    const gather = (side, field) => Array.from({ length }, (_, at) =>
      side.slice(at * step, (at + 1) * step).reduce((sum, interval) => sum + interval[field], 0) / (width / 1e9));
    const { expected, observed } = report.series;
    const lines = [["recorded", gather(expected, "count")], ["target", gather(observed, "count")]];
    const errors = gather(observed, "errors");
    const most = roundUp(Math.max(...lines.flatMap(([, values]) => values), 1));
    const x = (ns) => LEFT + (ns / total) * (W - LEFT - RIGHT);
    const y = (value) => H - bottom - (value / most) * (H - bottom - TOP);
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Statements a second over time" });
    for (const share of [0, 0.5, 1]) {
      chart.append(svg("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: y(most * share), y2: y(most * share) }),
        svg("text", { x: LEFT - 8, y: y(most * share) + 4, "text-anchor": "end" }, rate(most * share)));
    }
    timeAxis(chart, x, total, H);
    if (errors.some((value) => value > 0)) lines.push(["errors", errors]);
    for (const [side, values] of lines) {
      const points = values.map((value, at) => `${x((at + 0.5) * width).toFixed(1)} ${y(value).toFixed(1)}`);
      if (points.length === 1) points.unshift(`${LEFT} ${y(values[0]).toFixed(1)}`);
      chart.append(svg("path", { class: `line ${side}`, d: `M${points.join("L")}` }));
    }
    const hint = el("div", { class: "hint" });
    follow(chart, hint, H, bottom, (at) => {
      const place = Math.min(length - 1, Math.max(0, Math.floor(((at - LEFT) / (W - LEFT - RIGHT)) * length)));
      const text = (values) => `${rate(values[place] || 0)}/s`;
      return `at ${duration(place * width)}: recorded ${text(lines[0][1])}, target ${text(lines[1][1])}, errors on the target ${text(errors)}`;
    });
    return el("div", {}, chart, hint);
  };

  const heat = (name, title) => {
    const { length, step, width } = columnsOfTime();
    const all = [...report.series.expected, ...report.series.observed].map((interval) => interval.latency);
    const limits = range(all, 2);
    if (!length || !limits) return el("p", { class: "empty" }, "No durations are known.");
    const H = 220, bottom = 24, total = length * width;
    const x = (ns) => LEFT + (ns / total) * (W - LEFT - RIGHT);
    const y = logScale(limits[0], limits[1], H - bottom, TOP);
    const gather = (side) => {
      const cells = new Map();
      side.forEach((interval, at) => {
        const column = Math.floor(at / step);
        for (const [bucket, count] of interval.latency.buckets) {
          const key = column * 65536 + bucket;
          cells.set(key, (cells.get(key) || 0) + count);
        }
      });
      return cells;
    };
    const both = [report.series.expected, report.series.observed].map(gather);
    const most = Math.max(1, ...both.map((cells) => [...cells.values()].reduce((a, b) => Math.max(a, b), 1)));
    const levels = Array.from({ length: 8 }, () => "");
    for (const [key, count] of both[name === "expected" ? 0 : 1]) {
      const [column, bucket] = [Math.floor(key / 65536), key % 65536];
      const level = Math.min(7, Math.floor((Math.log1p(count) / Math.log1p(most)) * 8));
      const [x0, x1] = [x(column * width), x((column + 1) * width)];
      const [y1, y0] = [y(Math.max(lower(bucket, 2), 1)), y(upper(bucket, 2))];
      levels[level] += `M${x0.toFixed(1)} ${y0.toFixed(1)}H${(x1 + 0.2).toFixed(1)}V${(y1 + 0.2).toFixed(1)}H${x0.toFixed(1)}Z`;
    }
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title });
    for (const ns of decades(...limits)) {
      chart.append(svg("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: y(ns), y2: y(ns) }),
        svg("text", { x: LEFT - 8, y: y(ns) + 4, "text-anchor": "end" }, plainDuration(ns)));
    }
    timeAxis(chart, x, total, H);
    levels.forEach((d, level) => {
      if (d) chart.append(svg("path", { class: `cells${name === "observed" ? " on-target" : ""}`, "fill-opacity": (0.1 + level * 0.128).toFixed(2), d }));
    });
    return el("div", {}, chart);
  };

  // --- Cards and tables ---
  const card = (title, note, content, options = {}) => el("section", { class: `card${options.full ? " full" : ""}` },
    el("header", {}, el("h2", {}, title), note instanceof Node ? note : el("p", {}, note || "")), content);
  const tile = (label, value, note, look, title) => el("div", { class: "tile", title },
    el("div", { class: "label" }, label), el("div", { class: `value ${look || ""}` }, value), el("div", { class: "note" }, note || "\u00a0"));

  const impactCell = (impact, largest) => {
    const part = largest > 0 ? Math.min(100, (Math.abs(impact) / largest) * 100) : 0;
    const bar = el("i");
    bar.style.setProperty("--part", `${part.toFixed(0)}%`);
    return el("span", { class: `impact${impact < 0 ? " less" : ""}` }, bar, signed(impact));
  };

  // Value for sorting, heading, cell; headings name aggregate and window.
  const of = (side, field) => (digest) => digest.latency[side][field];
  const meanRatio = (digest) => ratio(digest.latency.observed.mean_ns, digest.latency.expected.mean_ns);
  const timeColumn = (label, name, side, field, look) => ({
    label: `${label} ${side === "expected" ? "recorded" : "target"}`, class: `${look}${side === "expected" ? " old" : ""}`,
    title: `${name} of the time from a statement's first byte to its answer's last, ${side === "expected" ? "as recorded" : "on the target"}, ${windowText}; executions that went equally well in both`,
    value: of(side, field), cell: (digest) => (digest.latency[side].count ? duration(digest.latency[side][field]) : "\u2013"),
  });
  const columns = {
    pattern: { label: "Statement", text: true, value: (digest) => digest.pattern.toLowerCase(), title: "The statement without its values (its digest's text)" },
    impact: { label: "Impact on total time", value: (digest) => digest.impact, title: `How much longer (or shorter) all executions took on the target, by the recorded time of all statements, ${windowText}` },
    count: { label: "Count", value: (digest) => digest.count, cell: (digest) => number(digest.count), title: `Executions, ${windowText}` },
    p50e: timeColumn("p50", "Median", "expected", "p50_ns", "wide"),
    p50o: timeColumn("p50", "Median", "observed", "p50_ns", "wide"),
    p95e: timeColumn("p95", "95th percentile", "expected", "p95_ns", "wide"),
    p95o: timeColumn("p95", "95th percentile", "observed", "p95_ns", "wide"),
    p99e: timeColumn("p99", "99th percentile", "expected", "p99_ns", "mid"),
    p99o: timeColumn("p99", "99th percentile", "observed", "p99_ns", "mid"),
    ratio: { label: "Mean target / recorded", value: (digest) => meanRatio(digest) ?? -1, title: `Mean time on the target by the recorded one, ${windowText}`,
      cell: (digest) => el("span", { class: tone(meanRatio(digest)) }, times(meanRatio(digest))) },
    errors: { label: "Errors", class: "mid", value: (digest) => digest.errors.observed, title: "Executions that were answered by an error: recorded \u2192 target",
      cell: (digest) => (digest.errors.expected || digest.errors.observed
        ? el("span", { class: digest.errors.observed > digest.errors.expected ? "bad" : "" }, `${number(digest.errors.expected)} \u2192 ${number(digest.errors.observed)}`) : "0") },
    mismatches: { label: "Mismatches", value: mismatches, title: "Executions whose outcome differs: sessions, errors, rows, affected rows, order",
      cell: (digest) => el("span", { class: mismatches(digest) ? "bad" : "" }, number(mismatches(digest))) },
  };
  if (report.baseline) {
    columns.p99b = { label: "p99 baseline", class: "wide old", title: "99th percentile in the run that is the noise floor",
      value: (digest) => (digest.baseline ? digest.baseline.p99_ns : -1), cell: (digest) => (digest.baseline ? duration(digest.baseline.p99_ns) : "\u2013") };
  }
  const ORDER = ["pattern", "impact", "count", "p50e", "p50o", "p95e", "p95o", "p99e", "p99o", ...(report.baseline ? ["p99b"] : []), "ratio", "errors", "mismatches"];

  const heading = (name) => {
    const column = columns[name];
    const isSorted = state.sort === name;
    const next = isSorted && state.dir === "desc" ? "asc" : isSorted ? "desc" : column.text ? "asc" : "desc";
    return el("th", { class: `${column.text ? "text" : ""} ${column.class || ""}`, scope: "col", title: column.title, "data-column": name,
      "aria-sort": isSorted ? (state.dir === "asc" ? "ascending" : "descending") : undefined },
    el("button", { onclick: () => go({ sort: name, dir: next }) }, column.label));
  };
  const sqlLine = (text) => el("span", { class: "sql", title: text.length > 4000 ? `${text.slice(0, 4000)}\u2026` : text }, text.slice(0, 400) || "(no text)");

  const explainPart = (title, explained) => el("div", {}, el("h2", {}, title),
    explained.error ? el("p", { class: "dim" }, explained.error) : el("pre", { class: "plan" }, explained.plan));
  const details = (digest) => {
    const parts = [el("div", { class: "full" }, el("h2", {}, `Sample${digest.sample_is_cut ? " (its front)" : ""}`), el("pre", {}, digest.sample || digest.pattern)),
      el("div", {}, el("h2", {}, "Share of executions that took no longer than"), cdf(digest.latency, 200), legend())];
    const facts = el("dl", {},
      ...classes.filter((name) => digest.classes[name]).flatMap((name) => [el("dt", {}, TITLES[name]), el("dd", {}, number(digest.classes[name]))]),
      el("dt", {}, "Mean recorded"), el("dd", {}, duration(digest.latency.expected.count ? digest.latency.expected.mean_ns : null)),
      el("dt", {}, "Mean on the target"), el("dd", {}, duration(digest.latency.observed.count ? digest.latency.observed.mean_ns : null)),
      el("dt", {}, "Longest recorded"), el("dd", {}, duration(digest.latency.expected.count ? digest.latency.expected.max_ns : null)),
      el("dt", {}, "Longest on the target"), el("dd", {}, duration(digest.latency.observed.count ? digest.latency.observed.max_ns : null)),
      el("dt", {}, "Digest"), el("dd", {}, el("code", {}, digest.digest)));
    const nature = digest.nature.length ? el("p", { class: "dim" }, `May differ by nature: ${digest.nature.join(", ")}.`) : null;
    parts.push(el("div", {}, el("h2", {}, "Figures"), facts, nature));
    if (digest.explain) parts.push(explainPart("EXPLAIN, recorded server", digest.explain.expected), explainPart("EXPLAIN, target", digest.explain.observed));
    return el("div", { class: "grid" }, ...parts);
  };

  const statementRows = (list, names, largest) => list.flatMap((digest) => {
    const isOpen = state.open === digest.digest;
    const toggle = () => go({ open: isOpen ? "" : digest.digest });
    const row = el("tr", { class: "row", "data-digest": digest.digest, onclick: toggle }, ...names.map((name) => {
      const column = columns[name];
      if (name === "pattern") {
        return el("td", { class: "text" }, el("button", { "aria-expanded": String(isOpen), onclick: (event) => { event.stopPropagation(); toggle(); } }, sqlLine(digest.pattern)));
      }
      return el("td", { class: column.class || "" }, name === "impact" ? impactCell(digest.impact, largest) : column.cell(digest));
    }));
    return isOpen ? [row, el("tr", { class: "detail" }, el("td", { colspan: names.length }, details(digest)))] : [row];
  });
  const largestImpact = Math.max(0, ...report.digests.map((digest) => Math.abs(digest.impact)));

  // --- Views ---
  let shown = 100;
  const PAGE = 100;
  const moreButton = (rest, what) => (rest > 0 ? el("button", { class: "more", onclick: () => { shown += PAGE; draw(); } }, `Show ${number(Math.min(rest, PAGE))} more of ${number(rest)} ${what}`) : null);
  const search = (placeholder) => el("input", { type: "search", id: "filter", placeholder, value: state.q, "aria-label": placeholder,
    oninput: (event) => { shown = PAGE; go({ q: event.target.value }, true); } });
  const choices = (names, label) => el("div", { class: "choices" }, ...["", ...names].map((name) =>
    el("button", { "aria-pressed": String(state.cls === name), "data-class": name, onclick: () => { shown = PAGE; go({ cls: name }); } }, name ? TITLES[name] : label)));
  const matches = (digest, ...texts) => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const text = texts.join("\n").toLowerCase();
    // A few letters are in any digest: its front counts.
    return words.every((word) => text.includes(word) || (word.length >= 6 && (digest || "").startsWith(word)));
  };

  const views = {
    overview() {
      const regressions = report.digests.filter((digest) => digest.impact > 0).slice(0, 6);
      const errors = report.differences.filter((difference) => difference.class === "error" && difference.observed !== "success" && excess(difference) > 0)
        .sort((a, b) => excess(b) - excess(a)).slice(0, 6);
      const most = Math.max(1, ...classes.map((name) => report.classes[name].count));
      const bars = classes.length ? el("div", { class: "bars" }, ...classes.flatMap((name) => {
        const total = report.classes[name];
        const fill = el("i", { class: OUTCOME.includes(name) ? "" : "natural" });
        fill.style.width = `${Math.max(1, (total.count / most) * 100)}%`;
        const noise = total.noise ? ` (${number(total.noise)} as in the baseline)` : "";
        return [el("button", { title: EXPLAINED[name], onclick: () => go({ tab: "differences", cls: name, q: "" }) }, TITLES[name]),
          el("div", { class: "bar" }, fill), el("span", {}, `${number(total.count)}${noise}`)];
      })) : el("p", { class: "empty good" }, report.statements ? "Every statement was answered as it was recorded." : "No statement was compared.");
      const names = ["pattern", "impact", "count", "p99e", "p99o", "ratio"];
      const plainHeading = (name) => el("th", { class: `${columns[name].text ? "text" : ""} ${columns[name].class || ""}`, title: columns[name].title }, columns[name].label);
      return el("div", { class: "grid" },
        card("How long statements took", legend(), el("div", {}, cdf(latency), el("p", { class: "dim" }, "Share of statements that took no longer than a duration, over the whole run"))),
        card("Statements a second", legend(), el("div", {}, throughput(), el("p", { class: "dim" }, "By the time since each run's start; red: errors on the target"))),
        card("Differences by class", `of ${plural(report.statements, "statement")}`, bars),
        card("New errors", "on the target only, the most frequent first", errors.length ? el("div", { class: "scroll" }, differenceTable(errors, true)) : el("p", { class: "empty" }, "None.")),
        card("Top regressions", `by their impact on the total time, ${windowText}`, regressions.length ? el("div", { class: "scroll" }, el("table", {},
          el("thead", {}, el("tr", {}, ...names.map(plainHeading))), el("tbody", {}, ...statementRows(regressions, names, largestImpact))))
          : el("p", { class: "empty" }, "No statement takes longer than recorded."), { full: true }),
        card("Durations over time, recorded", "darker: more statements", heat("expected", "Durations over time, recorded")),
        card("Durations over time, target", "same scales", heat("observed", "Durations over time, target")));
    },
    statements() {
      const column = columns[state.sort];
      const wanted = report.digests.filter((digest) => (!state.cls || digest.classes[state.cls]) && matches(digest.digest, digest.pattern, digest.kind));
      const direction = state.dir === "asc" ? 1 : -1;
      const sorted = wanted.map((digest) => [column.value(digest), digest])
        .sort(([a, x], [b, y]) => (a < b ? -direction : a > b ? direction : x.digest < y.digest ? -1 : 1)).map(([, digest]) => digest);
      const table = el("table", { id: "statements" }, el("thead", {}, el("tr", {}, ...ORDER.map(heading))),
        el("tbody", {}, ...statementRows(sorted.slice(0, shown), ORDER, largestImpact)));
      const notes = [];
      if (report.digests_left_out) notes.push(`${plural(report.digests_left_out, "more pattern")} in report.json.`);
      if (report.other_digests) notes.push(`${plural(report.other_digests.count, "statement")} of further patterns are counted together only: more patterns than a report tells apart.`);
      return card("Statements by pattern", `${plural(wanted.length, "pattern")}, ${windowText}`, el("div", {},
        el("div", { class: "tools" }, search("Filter by words, kind or digest"), choices(classes, "All")),
        sorted.length ? el("div", { class: "scroll" }, table) : el("p", { class: "empty" }, report.digests.length ? "No pattern matches." : "No statement was compared."),
        moreButton(sorted.length - shown, "patterns"), notes.length ? el("p", { class: "dim" }, notes.join(" ")) : null));
    },
    differences() {
      const wanted = report.differences.filter((difference) => (!state.cls || difference.class === state.cls)
        && matches(difference.digest, difference.example.sql, difference.expected, difference.observed, difference.example.observed, difference.class, (patterns.get(difference.digest) || {}).pattern || ""));
      const others = Object.entries(report.other_differences).filter(([name]) => !state.cls || name === state.cls).reduce((sum, [, count]) => sum + count, 0);
      return card("Differences", state.cls ? EXPLAINED[state.cls] : "what is the same but for values is counted together", el("div", {},
        el("div", { class: "tools" }, search("Filter by words or outcome"), choices(classes, "All")),
        wanted.length ? el("div", { class: "scroll" }, differenceTable(wanted.slice(0, shown))) : el("p", { class: "empty" }, report.differences.length ? "No difference matches." : "None."),
        moreButton(wanted.length - shown, "differences"),
        others ? el("p", { class: "dim" }, `${plural(others, "more statement")} differ in ways that are not told apart: there are more kinds of differences than a report holds.`) : null));
    },
    run() {
      const counts = (entries, empty) => (entries.length ? el("dl", {}, ...entries.sort((a, b) => b[1] - a[1]).flatMap(([reason, count]) => [el("dt", {}, reason), el("dd", {}, number(count))])) : el("p", { class: "empty" }, empty));
      const lateness = report.lateness;
      const row = (name, histogram, late) => el("tr", {}, el("td", { class: "text" }, name), el("td", {}, number(late)), el("td", {}, percent(lateness.scheduled ? late / lateness.scheduled : 0)),
        ...["p50_ns", "p99_ns", "max_ns"].map((field) => el("td", {}, duration(histogram[field]))));
      const late = lateness ? el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, ...["Waited for", "Late by more than 1 ms", "Share of all", "p50", "p99", "Longest"].map((text, at) => el("th", { class: at ? "" : "text" }, text)))),
        el("tbody", {}, row("the player itself", lateness.player, lateness.late_by_player), row("the target's earlier answers", lateness.target, lateness.late_by_target), row("other sessions' commits", lateness.order, lateness.late_by_order))))
        : el("p", { class: "empty" }, "There was no schedule to keep.");
      return el("div", { class: "grid" },
        card("Lateness", lateness ? `when ${plural(lateness.scheduled, "statement")} began, against the schedule, ${windowText}` : "", late, { full: true }),
        card("Skipped", "not done on the target", counts(Object.entries(report.skipped), "Nothing was skipped.")),
        card("Not compared", "done, but the outcome is not known of both", counts(Object.entries(report.not_compared), "Everything that was done was compared.")),
        card("Notes", "", report.notes.length ? el("div", {}, ...report.notes.map((note) => el("p", {}, note))) : el("p", { class: "empty" }, "None."), { full: true }));
    },
  };

  const differenceTable = (list, isShort) => {
    const body = list.flatMap((difference) => {
      const id = `${difference.class}/${difference.digest}/${difference.expected}/${difference.observed}`;
      const isOpen = state.open === id;
      const toggle = () => go({ open: isOpen ? "" : id });
      const noise = difference.noise ? el("div", { class: "under" }, `${number(difference.noise)} as in the baseline`) : null;
      const pattern = (patterns.get(difference.digest) || {}).pattern || difference.example.sql || "the session";
      const row = el("tr", { class: "row", onclick: toggle },
        isShort ? null : el("td", { class: "left" }, el("span", { class: `chip ${OUTCOME.includes(difference.class) && excess(difference) ? "bad" : ""}`, title: EXPLAINED[difference.class] }, TITLES[difference.class])),
        el("td", { class: "text" }, el("button", { "aria-expanded": String(isOpen), onclick: (event) => { event.stopPropagation(); toggle(); } }, sqlLine(pattern)),
          el("div", { class: "under" }, `${difference.expected} \u2192 ${difference.observed}`)),
        el("td", {}, number(difference.count), noise), isShort ? null : el("td", {}, percent(difference.impact)));
      if (!isOpen) return [row];
      const example = difference.example;
      return [row, el("tr", { class: "detail" }, el("td", { colspan: isShort ? 2 : 4 }, el("div", { class: "grid" },
        el("div", { class: "full" }, el("h2", {}, `Example: session ${example.session}, command ${number(example.number)}${example.sql_is_cut ? " (its front)" : ""}`), el("pre", {}, example.sql || "(no text)")),
        el("div", {}, el("h2", {}, "Recorded"), el("pre", {}, example.expected)), el("div", {}, el("h2", {}, "Target"), el("pre", {}, example.observed)))))];
    });
    return el("table", { class: "differences" }, el("thead", {}, el("tr", {}, isShort ? null : el("th", { class: "left" }, "Class"), el("th", { class: "text" }, "Statement, and what changed"),
      el("th", { title: `Executions that differ like this, ${windowText}` }, "Count"),
      isShort ? null : el("th", { title: "The recorded time of these executions (of the class Time: the time by which they changed), by that of all statements" }, "Share of total time"))), el("tbody", {}, ...body));
  };

  const nextTheme = () => go({ theme: { "": "light", light: "dark", dark: "" }[state.theme] });

  const head = () => {
    const side = (name, label, data) => {
      const started = data.started_epoch_ms ? `, ${new Date(data.started_epoch_ms).toISOString().replace("T", " ").slice(0, 16)} UTC` : "";
      const facts = [data.server_version, data.duration_ns ? duration(data.duration_ns) : null].filter(Boolean).join(", ");
      return el("div", { class: "side" }, el("i", { class: `key ${name}` }), el("span", {}, el("b", {}, label), ` ${data.name || "\u2013"}`, el("span", { class: "dim" }, `${facts ? ` \u00b7 ${facts}` : ""}${started}`)));
    };
    const p99 = ratio(latency.observed.p99_ns, latency.expected.p99_ns);
    const verdict = report.statements
      ? `${outcomes ? `${plural(outcomes, "statement")} of ${number(report.statements)} answered differently` : `All ${plural(report.statements, "statement")} answered alike`}${report.baseline ? ", beyond the baseline" : ""}${p99 === null ? "" : `; p99 ${times(p99)} of what was recorded`}.`
      : "No statement was compared.";
    const banners = [];
    const lateness = report.lateness;
    if (lateness && !lateness.trusted) {
      banners.push(el("div", { class: "banner bad", id: "untrusted" }, el("b", {}, "Do not trust the timings. "), `The player itself began ${percent(lateness.late_by_player / lateness.scheduled)} of the statements more than 1 ms too late; up to 1% is what timings are good for.`));
    }
    for (const note of report.notes.slice(0, 3)) banners.push(el("div", { class: "banner" }, note));
    const pair = (name) => ({ before: latency.expected[name], now: latency.observed[name] });
    const timeTile = (label, field, meaning) => {
      const { before, now } = pair(field);
      const quotient = ratio(now, before);
      return tile(label, latency.observed.count ? duration(now) : "\u2013", latency.expected.count ? `${duration(before)} recorded \u00b7 ${times(quotient)}` : "", latency.observed.count ? tone(quotient) : "", `${meaning} on the target, ${windowText}`);
    };
    const skippedAll = Object.values(report.skipped).reduce((a, b) => a + b, 0);
    const newErrors = report.series.observed.reduce((sum, interval) => sum + interval.errors, 0);
    const oldErrors = report.series.expected.reduce((sum, interval) => sum + interval.errors, 0);
    return [el("div", { class: "top" }, el("div", {}, el("h1", {}, "What differs between two executions"), el("p", { class: "verdict", id: "verdict" }, verdict)),
      el("button", { class: "theme", onclick: nextTheme }, THEMES[state.theme])),
    el("div", { class: "sides" }, side("", "Recorded", report.expected), side("target", "Target", report.observed)), ...banners,
    el("div", { class: "tiles" },
      tile("Statements compared", number(report.statements), `${plural(report.sessions, "session")}${skippedAll ? ` \u00b7 ${number(skippedAll)} skipped` : ""}`),
      tile("Answered differently", number(outcomes), report.statements ? `${percent(outcomes / report.statements)} of all` : "", outcomes ? "bad" : report.statements ? "good" : "dim", "Sessions, errors, rows, affected rows and order; not what differs by nature, in warnings or in time"),
      tile("Errors on the target", number(newErrors), `${number(oldErrors)} recorded`, newErrors > oldErrors ? "bad" : "", `Statements answered by an error, ${windowText}`),
      timeTile("p50 on the target", "p50_ns", "Median"), timeTile("p99 on the target", "p99_ns", "99th percentile"),
      tile("Time of all statements", duration(report.time_ns.observed), `${duration(report.time_ns.expected)} recorded \u00b7 ${times(ratio(report.time_ns.observed, report.time_ns.expected))}`, "", `The durations of all statements together, ${windowText}`))];
  };

  const TABS = { overview: ["Overview", null], statements: ["Statements", report.digests.length], differences: ["Differences", report.differences.length], run: ["Run", null] };
  const draw = (keepFocus) => {
    document.documentElement.dataset.theme = state.theme;
    const focus = keepFocus && document.activeElement && document.activeElement.id === "filter" ? document.activeElement.selectionStart : null;
    const place = window.scrollY;
    app.replaceChildren(...head(),
      el("nav", { class: "tabs", role: "tablist" }, ...Object.entries(TABS).map(([name, [label, count]]) => el("button", { role: "tab", "data-tab": name, "aria-selected": String(state.tab === name),
        onclick: () => { shown = PAGE; go({ tab: name, q: "", cls: "", open: "" }); } }, label, count === null ? null : el("span", { class: "count" }, number(count))))),
      el("main", {}, views[state.tab]()),
      el("footer", {}, `mysql-interceptor ${report.program}, ${report.made_by || "compare"}. The figures are in report.json, a line for each difference in diffs.ndjson.`));
    window.scrollTo(0, place);
    if (focus !== null) {
      const field = document.getElementById("filter");
      field.focus();
      field.setSelectionRange(focus, focus);
    }
  };

  window.addEventListener("hashchange", () => { readHash(); draw(); });
  readHash();
  draw();
})();
