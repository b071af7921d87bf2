import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOptions, playOptions } from "../options.mjs";

test("play: defaults", () => {
  assert.deepEqual(playOptions(["--url", "http://h/"]), {
    url: "http://h/", timeout: 30, screenshot: null, frames: null, rate: 1, level: null, audioTrack: null,
  });
});

test("play: --until-ended outweighs --frames", () => {
  assert.equal(playOptions(["--url", "u", "--frames", "10"]).frames, 10);
  assert.equal(playOptions(["--url", "u", "--frames", "10", "--until-ended"]).frames, null);
});

test("page: the size of the window", () => {
  assert.deepEqual(pageOptions(["--url", "u", "--viewport", "390x844"]).viewport, { width: 390, height: 844 });
  assert.throws(() => pageOptions(["--url", "u", "--viewport", "wide"]), /WIDTHxHEIGHT/);
});

test("says what is wrong", () => {
  assert.throws(() => playOptions([]), /--url is missing/);
  assert.throws(() => playOptions(["--url", "u", "--timeout", "soon"]), /--timeout wants a number/);
  assert.throws(() => playOptions(["--url", "u", "--speed", "2"]), /speed/);
});
