import assert from "node:assert/strict";
import { test } from "node:test";
import { recordingLoader, requestType } from "../loader.js";
import { RequestLog } from "../requests.js";

// The parts of the hls.js loader that the subclass builds on, without a network below.
class FakeLoader {
  stats = { aborted: false };
  status = 0;
  load(context, config, callbacks) {
    Object.assign(this, { context, callbacks });
    this.loadInternal();
  }
  loadInternal() {}
  retry() { this.loadInternal(); }
  getNetworkDetails() { return { status: this.status }; }
  abortInternal() { this.stats.aborted = true; }
}

const CONTEXT = { url: "http://h/360p/index.m3u8", type: "level" };

function start(callbacks) {
  const log = new RequestLog();
  const loader = new (recordingLoader(FakeLoader, log))();
  loader.load(CONTEXT, {}, callbacks);
  return { log, loader };
}

test("an answer reaches the log and the player", () => {
  const given = [];
  const { log, loader } = start({ onSuccess: (response) => given.push(response) });
  const response = { code: 200, url: "http://h/s/token/360p/index.m3u8" };
  loader.callbacks.onSuccess(response, {}, CONTEXT, null);
  assert.deepEqual(given, [response]);
  assert.equal(log.rows.length, 1);
  assert.equal(log.rows[0].status, 200);
  assert.equal(log.rows[0].redirectedTo, "/s/token/360p/index.m3u8");
});

test("every attempt is a row", () => {
  const { log, loader } = start({ onError() {} });
  loader.status = 503;
  loader.retry({});
  loader.callbacks.onError({ code: 403, text: "" }, CONTEXT, null, {});
  assert.deepEqual(log.rows.map(({ status }) => status), [503, 403]);
});

test("a time-out is a failure without a status", () => {
  const { log, loader } = start({ onTimeout() {} });
  loader.callbacks.onTimeout({}, CONTEXT, null);
  assert.equal(log.rows[0].outcome, "failed");
});

test("an aborted request is cancelled", () => {
  const { log, loader } = start({});
  loader.abortInternal();
  assert.equal(log.rows[0].outcome, "cancelled");
});

test("names what a request is for", () => {
  assert.equal(requestType({ type: "manifest" }), "manifest");
  assert.equal(requestType({ type: "subtitleTrack" }), "subtitle playlist");
  assert.equal(requestType({ frag: { sn: "initSegment", type: "main" } }), "init segment");
  assert.equal(requestType({ frag: { sn: 3, type: "audio" } }), "audio segment");
  assert.equal(requestType({ frag: { sn: 3, type: "main" }, keyInfo: {} }), "key");
  assert.equal(requestType({}), "other");
});
