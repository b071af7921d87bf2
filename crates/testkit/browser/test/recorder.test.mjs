import assert from "node:assert/strict";
import { test } from "node:test";
import { Recorder } from "../recorder.mjs";

const sent = (requestId, url, more = {}) => ({ requestId, request: { method: "GET", url, headers: {} }, type: "XHR", ...more });

test("a redirect is a row of its own", () => {
  const recorder = new Recorder();
  const on = recorder.handlers();
  on.requestWillBeSent(sent("1", "http://h/master.m3u8"));
  on.requestWillBeSent(sent("1", "http://h/s/token/master.m3u8", { redirectResponse: { status: 302 } }));
  on.responseReceivedExtraInfo({ requestId: "1", statusCode: 302 });
  on.responseReceived({ requestId: "1", response: { status: 200 } });
  assert.deepEqual(
    recorder.rows.map(({ url, status, fromRedirect }) => [url, status, fromRedirect]),
    [["http://h/master.m3u8", 302, false], ["http://h/s/token/master.m3u8", 200, true]],
  );
});

test("knows the status of an answer that CORS keeps from the page", () => {
  const recorder = new Recorder();
  const on = recorder.handlers();
  on.requestWillBeSent(sent("1", "http://h/a.ts"));
  on.responseReceivedExtraInfo({ requestId: "1", statusCode: 403 });
  on.loadingFailed({ requestId: "1", errorText: "net::ERR_FAILED", corsErrorStatus: { corsError: "MissingAllowOriginHeader" } });
  assert.equal(recorder.rows[0].status, 403);
  assert.equal(recorder.rows[0].failure, "MissingAllowOriginHeader");
});

test("notes preflights and byte ranges", () => {
  const recorder = new Recorder();
  const on = recorder.handlers();
  on.requestWillBeSent({ requestId: "0", request: { method: "OPTIONS", url: "http://h/a.mp4", headers: {} }, type: "Other", initiator: { type: "preflight" } });
  on.requestWillBeSent({ requestId: "1", request: { method: "GET", url: "http://h/a.mp4", headers: { Range: "bytes=0-99" } }, type: "XHR" });
  assert.deepEqual(recorder.rows.map(({ method, resourceType, rangeHeader }) => [method, resourceType, rangeHeader]), [
    ["OPTIONS", "preflight", null],
    ["GET", "xhr", "bytes=0-99"],
  ]);
});

test("leaves out the page's own origin and what is not HTTP", () => {
  const recorder = new Recorder();
  const on = recorder.handlers();
  on.requestWillBeSent(sent("1", "http://127.0.0.1:1/hls.mjs"));
  on.requestWillBeSent(sent("2", "blob:http://127.0.0.1:1/x"));
  on.requestWillBeSent(sent("3", "http://127.0.0.1:12/a.ts"));
  assert.deepEqual(recorder.without("http://127.0.0.1:1/").map(({ url }) => url), ["http://127.0.0.1:12/a.ts"]);
});
