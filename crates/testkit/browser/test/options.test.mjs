import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOptions, playOptions, playsOptions } from "../options.mjs";

test("play: defaults", () => {
  assert.deepEqual(playOptions(["--url", "http://h/"]), {
    url: "http://h/", timeout: 30, screenshot: null, frames: null, rate: 1, level: null, audioTrack: null,
    player: "hls.js", liveSeconds: null,
  });
});

test("play: --until-ended outweighs --frames", () => {
  assert.equal(playOptions(["--url", "u", "--frames", "10"]).frames, 10);
  assert.equal(playOptions(["--url", "u", "--frames", "10", "--until-ended"]).frames, null);
});

test("play: one of the players, for a while of a live stream", () => {
  const options = playOptions(["--url", "u", "--player", "shaka", "--live-seconds", "60"]);
  assert.deepEqual([options.player, options.liveSeconds], ["shaka", 60]);
  assert.throws(() => playOptions(["--url", "u", "--player", "vlc"]), /--player wants one of/);
});

test("page: the size of the window", () => {
  assert.deepEqual(pageOptions(["--url", "u", "--viewport", "390x844"]).viewport, { width: 390, height: 844 });
  assert.throws(() => pageOptions(["--url", "u", "--viewport", "wide"]), /WIDTHxHEIGHT/);
});

test("says what is wrong", () => {
  assert.throws(() => playOptions([]), /--url is missing/);
  assert.throws(() => playsOptions([]), /--list is missing/);
  assert.throws(() => playOptions(["--url", "u", "--timeout", "soon"]), /--timeout wants a number/);
  assert.throws(() => playOptions(["--url", "u", "--speed", "2"]), /speed/);
});
