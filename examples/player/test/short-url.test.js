import assert from "node:assert/strict";
import { test } from "node:test";
import { nameWithin, shortUrl } from "../short-url.js";

const SESSION = "eyJwIjoiL3N1YmRpcnMvIiwiZSI6MTcwMDAwMDAwMH0.c2lnbmF0dXJl";

test("drops the origin and cuts token values in the query", () => {
  assert.equal(
    shortUrl("http://127.0.0.1:8080/subdirs/master.m3u8?md5=AbCdEfGhIjKlMnOpQrStUv&expires=1700000000"),
    "/subdirs/master.m3u8?md5=AbCd…&expires=1700000000",
  );
});

test("keeps a value that holds '=' in one piece", () => {
  assert.equal(shortUrl("http://h/a.m3u8?hdnts=exp=1700000000~acl=/*~hmac=00ff"), "/a.m3u8?hdnts=exp=…");
});

test("leaves a URL without a query, and parameters without a value, alone", () => {
  assert.equal(shortUrl("http://h/360p/index.m3u8"), "/360p/index.m3u8");
  assert.equal(shortUrl("http://h/a.ts?download"), "/a.ts?download");
});

test("cuts a session token in the path", () => {
  assert.equal(shortUrl(`http://h/s/${SESSION}/subdirs/360p/index.m3u8`), "/s/eyJwIj…/subdirs/360p/index.m3u8");
});

test("does not cut a long file name", () => {
  const name = "a-very-long-segment-name-of-a-packager-000001.m4s";
  assert.equal(shortUrl(`http://h/v/${name}`), `/v/${name}`);
});

test("names a file as its master playlist does", () => {
  const master = "http://h:1/subdirs/master.m3u8?md5=x";
  assert.equal(nameWithin("http://h:1/subdirs/360p/index.m3u8", master), "360p/index.m3u8");
  assert.equal(nameWithin("http://h:1/subdirs/master.m3u8?md5=x", master), "master.m3u8");
});

test("gives the whole path of a file elsewhere", () => {
  const master = "http://h:1/subdirs/master.m3u8";
  assert.equal(nameWithin("http://h:1/keys/one.key", master), "/keys/one.key");
  assert.equal(nameWithin("http://other/subdirs/a.ts", master), "/subdirs/a.ts");
});
