// The demo command makes config.json anew for every request, so that its links have not expired.
export async function loadStreams(fetchIt = fetch) {
  const answer = await fetchIt("./config.json", { cache: "no-store" });
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  const { streams } = await answer.json();
  if (!Array.isArray(streams) || streams.length === 0) throw new Error("config.json names no streams");
  return streams;
}
