import { shortUrl } from "./short-url.js";

/** The requests of one player in the order they began: one row for each attempt, failed or not. */
export class RequestLog {
  rows = [];
  #changed;

  constructor(changed = () => {}) {
    this.#changed = changed;
  }

  begin(url, type) {
    const row = { number: this.rows.length + 1, url, short: shortUrl(url), type, status: null, outcome: "pending", redirectedTo: null };
    this.rows.push(row);
    this.#changed(row);
    return row;
  }

  /** The server answered, or (status 0) nothing came that the page may read. */
  answer(row, status, finalUrl = row.url) {
    if (row.outcome !== "pending") return;
    row.status = status;
    row.outcome = outcomeOf(status);
    row.redirectedTo = finalUrl && finalUrl !== row.url ? shortUrl(finalUrl) : null;
    this.#changed(row);
  }

  /** The player gave the request up itself, for instance to switch renditions. */
  cancel(row) {
    if (row.outcome !== "pending") return;
    row.outcome = "cancelled";
    this.#changed(row);
  }

  cancelPending() {
    for (const row of this.rows) this.cancel(row);
  }

  firstUnanswered() {
    return this.rows.find(({ outcome }) => outcome === "refused" || outcome === "failed") ?? null;
  }
}

export function outcomeOf(status) {
  if (status >= 200 && status < 400) return "ok";
  return status >= 400 ? "refused" : "failed";
}

export function summary(rows) {
  const count = (outcome) => rows.filter((row) => row.outcome === outcome).length;
  const parts = [`${count("ok")} OK`, `${count("refused")} refused`];
  for (const outcome of ["failed", "cancelled", "pending"]) {
    if (count(outcome)) parts.push(`${count(outcome)} ${outcome}`);
  }
  return `${rows.length} ${rows.length === 1 ? "request" : "requests"}: ${parts.join(", ")}`;
}

export function statusText({ status, outcome }) {
  if (outcome === "pending") return "…";
  if (outcome === "cancelled") return "cancelled";
  return status ? String(status) : "no answer";
}
