import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestLog, outcomeOf, statusText, summary } from "../requests.js";

test("numbers the rows and tells of every change", () => {
  const seen = [];
  const log = new RequestLog((row) => seen.push([row.number, row.outcome]));
  const master = log.begin("http://h/master.m3u8", "manifest");
  const level = log.begin("http://h/360p/index.m3u8", "media playlist");
  log.answer(master, 200);
  log.answer(level, 403);
  assert.deepEqual(seen, [[1, "pending"], [2, "pending"], [1, "ok"], [2, "refused"]]);
});

test("notes where a redirect led", () => {
  const log = new RequestLog();
  const row = log.begin("http://h/master.m3u8?md5=AbCdEfGhIjKlMn", "manifest");
  log.answer(row, 200, `http://h/s/${"t".repeat(60)}/master.m3u8`);
  assert.equal(row.redirectedTo, "/s/tttttt…/master.m3u8");
  const direct = log.begin("http://h/a.ts", "segment");
  log.answer(direct, 200, "http://h/a.ts");
  assert.equal(direct.redirectedTo, null);
});

test("a row keeps its first outcome", () => {
  const log = new RequestLog();
  const answered = log.begin("http://h/a.ts", "segment");
  log.answer(answered, 200);
  log.cancel(answered);
  assert.equal(answered.outcome, "ok");
  const cancelled = log.begin("http://h/b.ts", "segment");
  log.cancel(cancelled);
  log.answer(cancelled, 200);
  assert.equal(cancelled.outcome, "cancelled");
  assert.equal(cancelled.status, null);
});

test("the cause of a stop is the first request without a good answer", () => {
  const log = new RequestLog();
  log.answer(log.begin("http://h/master.m3u8", "manifest"), 200);
  log.cancel(log.begin("http://h/0.ts", "segment"));
  assert.equal(log.firstUnanswered(), null);
  log.answer(log.begin("http://h/1.ts", "segment"), 403);
  log.answer(log.begin("http://h/2.ts", "segment"), 500);
  assert.equal(log.firstUnanswered().url, "http://h/1.ts");
});

test("judges a status", () => {
  assert.deepEqual([200, 206, 304, 403, 404, 502, 0].map(outcomeOf), ["ok", "ok", "ok", "refused", "refused", "refused", "failed"]);
});

test("sums up", () => {
  const log = new RequestLog();
  assert.equal(summary(log.rows), "0 requests: 0 OK, 0 refused");
  log.answer(log.begin("http://h/a", "segment"), 200);
  assert.equal(summary(log.rows), "1 request: 1 OK, 0 refused");
  log.answer(log.begin("http://h/b", "segment"), 403);
  log.answer(log.begin("http://h/c", "segment"), 0);
  log.begin("http://h/d", "segment");
  assert.equal(summary(log.rows), "4 requests: 1 OK, 1 refused, 1 failed, 1 pending");
});

test("writes a status for the reader", () => {
  assert.equal(statusText({ status: 403, outcome: "refused" }), "403");
  assert.equal(statusText({ status: 0, outcome: "failed" }), "no answer");
  assert.equal(statusText({ status: null, outcome: "pending" }), "…");
});
