// A refused token stays refused: without retries a player says so at once and does not wait and ask again.
const POLICIES = ["manifestLoadPolicy", "playlistLoadPolicy", "fragLoadPolicy", "keyLoadPolicy"];

export function withoutRetries(defaults) {
  return Object.fromEntries(
    POLICIES.map((name) => [name, { default: { ...defaults[name].default, timeoutRetry: null, errorRetry: null } }]),
  );
}
