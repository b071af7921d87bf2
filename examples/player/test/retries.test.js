import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutRetries } from "../retries.js";

test("takes the retries away and leaves the time limits", () => {
  const policy = { default: { maxLoadTimeMs: 20000, timeoutRetry: { maxNumRetry: 2 }, errorRetry: { maxNumRetry: 6 } } };
  const defaults = { manifestLoadPolicy: policy, playlistLoadPolicy: policy, fragLoadPolicy: policy, keyLoadPolicy: policy };
  const made = withoutRetries(defaults);
  assert.deepEqual(Object.keys(made), Object.keys(defaults));
  assert.deepEqual(made.fragLoadPolicy.default, { maxLoadTimeMs: 20000, timeoutRetry: null, errorRetry: null });
  assert.equal(policy.default.errorRetry.maxNumRetry, 6, "the defaults of hls.js stay as they are");
});
