// Tokens are long and say nothing to a reader: enough of one stays to recognise it again.
const QUERY_VALUE_MAX = 12;
const PATH_PART_MAX = 31;

/** Path and query of `url`, with token values in the query and long tokens in the path cut short. */
export function shortUrl(url) {
  const { pathname, search } = new URL(url);
  return shortPath(pathname) + shortQuery(search);
}

/** The name of `url` as a playlist at `base` would write it, without the query. */
export function nameWithin(url, base) {
  const { origin, pathname } = new URL(url);
  const from = new URL(base);
  const folder = from.pathname.slice(0, from.pathname.lastIndexOf("/") + 1);
  if (origin === from.origin && pathname.startsWith(folder)) {
    const name = pathname.slice(folder.length);
    if (name) return shortPath(name);
  }
  return shortPath(pathname);
}

function shortPath(path) {
  return path.split("/").map(shortPart).join("/");
}

function shortPart(part) {
  const isFileName = /\.[a-z0-9]{2,4}$/i.test(part);
  return part.length > PATH_PART_MAX && !isFileName ? `${part.slice(0, 6)}…` : part;
}

function shortQuery(search) {
  if (!search) return "";
  const pairs = search.slice(1).split("&").map((pair) => {
    const equals = pair.indexOf("=");
    const value = pair.slice(equals + 1);
    const keep = equals < 0 || value.length <= QUERY_VALUE_MAX;
    return keep ? pair : `${pair.slice(0, equals)}=${value.slice(0, 4)}…`;
  });
  return `?${pairs.join("&")}`;
}
