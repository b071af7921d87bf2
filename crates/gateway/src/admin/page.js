// Shows what /metrics, /api/events and /api/sessions tell, every two seconds.
import { draw } from "./chart.js";
import { ask, cell, milliseconds, number, poll, rows, time } from "./shared.js";

const EVERY_MS = 2000;
const POINTS = 150; // five minutes
const byId = (id) => document.getElementById(id);
const history = { served: [], refused: [], failed: [], origin: [], originFailed: [] };
let before = null;
let after = null; // the session behind which the shown page of the list begins

// === Metrics ===

/** Reads the text format: `[{ name, labels, value }]`. */
function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found || line.startsWith("#")) continue;
    const labels = {};
    for (const [, key, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    samples.push({ name: found[1].replace(/^sluicegate_/, ""), labels, value: Number(found[3]) });
  }
  return samples;
}

function reader(samples) {
  const of = (name, want = () => true) => samples.filter((sample) => sample.name === name && want(sample.labels));
  const sum = (name, want) => of(name, want).reduce((all, { value }) => all + value, 0);
  return { of, sum };
}

/** The sum of a metric for each value of a label, the largest first. */
function grouped(samples, label) {
  const sums = new Map();
  for (const { labels, value } of samples) sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
  return [...sums].sort((a, b) => b[1] - a[1]);
}

function showMetrics(text) {
  const { of, sum } = reader(parse(text));
  const now = performance.now();
  const isFailed = ({ status }) => Number(status) >= 500;
  const isRefused = ({ status, reason }) => reason !== "" && Number(status) < 500;
  const totals = {
    served: sum("requests_total", ({ reason }) => reason === ""),
    refused: sum("requests_total", isRefused),
    failed: sum("requests_total", isFailed),
    origin: sum("origin_requests_total"),
    originFailed: sum("origin_requests_total", ({ result }) => !/^[234]xx$/.test(result)),
  };
  if (before) {
    const secs = (now - before.now) / 1000;
    for (const [name, values] of Object.entries(history)) {
      values.push(Math.max(0, (totals[name] - before.totals[name]) / secs));
      if (values.length > POINTS) values.shift();
    }
    const last = (name) => history[name].at(-1);
    byId("rate").textContent = rate(last("served") + last("refused") + last("failed"));
    byId("refused-rate").textContent = rate(last("refused"));
    const points = Math.max(30, history.served.length);
    const series = (names) => Object.entries(names).map(([name, of]) => ({ name, values: history[of] }));
    draw(byId("requests-chart"), series({ served: "served", refused: "refused", failed: "failed" }), points);
    draw(byId("origin-chart"), series({ served: "origin", failed: "originFailed" }), points);
  }
  before = { now, totals };

  byId("sessions").textContent = whole(sum("sessions"));
  byId("streams").textContent = whole(sum("streams"));
  byId("memory").textContent = bytes(sum("process_resident_memory_bytes"));
  showCache(sum);
  showOrigins(of, sum);
  showCmcd(of, sum);
  rows("reasons", grouped(of("refusals_total"), "reason").map(([reason, count]) => [reason, number(whole(count))]), "none so far");
}

function showCache(sum) {
  const by = (result) => sum("manifests_total", (labels) => labels.result === result);
  const all = sum("manifests_total");
  const fromCache = all - by("miss");
  byId("cached").textContent = all ? `${((100 * fromCache) / all).toFixed(1)} %` : "–";
  rows("cache", [
    ["kept", number(`${whole(sum("cached_manifests"))} manifests, ${bytes(sum("cached_manifests_bytes"))}`)],
    ["served from cache", number(whole(by("hit")))],
    ["served and fetched again", number(whole(by("updating")))],
    ["served since the origin failed", number(whole(by("stale")))],
    ["asked of the origin", number(whole(by("miss")))],
  ]);
}

function showOrigins(of, sum) {
  const origins = of("origin_up").map(({ labels, value }) => {
    const its = (want) => (other) => other.origin === labels.origin && want(other);
    const all = sum("origin_requests_total", its(() => true));
    const failed = sum("origin_requests_total", its(({ result }) => !/^[234]xx$/.test(result)));
    const count = sum("origin_duration_seconds_count", its(() => true));
    const average = count ? milliseconds(sum("origin_duration_seconds_sum", its(() => true)) / count) : "–";
    const state = value ? cell("well", "good") : cell("does not answer", "bad");
    return [labels.origin, state, number(whole(all)), number(whole(failed)), number(average)];
  });
  rows("origins", origins, "folders of this machine only");
}

function showCmcd(of, sum) {
  const told = grouped(of("cmcd_requests_total"), "route").map(([route, count]) => {
    const its = (labels) => labels.route === route;
    const average = sum("cmcd_bitrate_kbps_sum", its) / (sum("cmcd_bitrate_kbps_count", its) || 1);
    return [route, number(whole(count)), number(whole(sum("cmcd_rebufferings_total", its))), number(whole(average))];
  });
  rows("cmcd", told, "no player sent CMCD");
}

// === Requests ===

function showEvents({ served, refused }) {
  const kind = ({ status }) => (status >= 500 ? "bad" : "odd");
  rows("refused-list", refused.map((event) => [
    time(event.at_ms), cell(event.status, kind(event)), event.code, event.route,
    cell(`${event.method} ${event.path}`, "path"), cell(event.reason, "reason"),
  ]), "none so far");
  rows("served-list", served.slice(0, 100).map((event) => [
    time(event.at_ms), event.status, event.route, cell(`${event.method} ${event.path}`, "path"),
    number(milliseconds(event.elapsed_us / 1e6)),
  ]), "none while this page is open");
}

// === Sessions ===

function showSessions({ sessions, next }) {
  rows("session-list", sessions.map((session) => [
    cell(session.id, "id"), session.user ?? "", session.route, cell(session.path, "path"),
    cell(session.state, session.state === "open" ? "good" : "odd"), number(session.streams),
    time(session.seen_at * 1000), time(session.expires_at * 1000),
    session.state === "revoked" ? "" : revokeButton(session),
  ]), "none");
  byId("more").hidden = !next;
  byId("more").onclick = () => page(next);
  byId("first").hidden = after === null;
}

function revokeButton({ id, user, path }) {
  const button = document.createElement("button");
  button.className = "revoke";
  button.textContent = "end";
  button.onclick = async () => {
    if (!confirm(`End the session of ${user ?? "a viewer"} on ${path}?`)) return;
    await ask(`api/sessions/${id}`, { method: "DELETE" });
    await refreshSessions();
  };
  return button;
}

function page(from) {
  after = from;
  return refreshSessions();
}

async function refreshSessions() {
  const query = new URLSearchParams({ limit: "50" });
  for (const [key, value] of new FormData(byId("filter"))) if (value) query.set(key, value);
  if (after) query.set("after", after);
  showSessions(await (await ask(`api/sessions?${query}`)).json());
}

byId("first").onclick = () => page(null);
byId("filter").oninput = () => page(null);
byId("filter").onsubmit = (event) => event.preventDefault();

// === Numbers ===

const whole = (value) => Math.round(value).toLocaleString("en");
const rate = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
const bytes = (value) => {
  const [unit, size] = value < 2 ** 20 ? ["KiB", 2 ** 10] : ["MiB", 2 ** 20];
  return `${(value / size).toLocaleString("en", { maximumFractionDigits: 1 })} ${unit}`;
};

// === Polling ===

poll(EVERY_MS, async () => {
  const [metrics, events] = await Promise.all([ask("metrics"), ask("api/events"), refreshSessions()]);
  showMetrics(await metrics.text());
  showEvents(await events.json());
});
