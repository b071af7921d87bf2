import assert from "node:assert/strict";
import { test } from "node:test";
import { loadStreams } from "../config.js";

const answering = (status, body) => async () => new Response(JSON.stringify(body), { status });

test("gives the streams", async () => {
  const streams = [{ name: "One", path: "/a.m3u8", cdn: "http://c/a.m3u8", gateway: "http://g/a.m3u8" }];
  assert.deepEqual(await loadStreams(answering(200, { streams })), streams);
});

test("says what is wrong", async () => {
  await assert.rejects(loadStreams(answering(404, {})), /config\.json: 404/);
  await assert.rejects(loadStreams(answering(200, { streams: [] })), /names no streams/);
});
