// What the pages share: tables, and asking again and again.

/** Fills the body of a table: each row is a list of cells, or of what they hold. */
export function rows(id, wanted, nothing) {
  const body = document.getElementById(id).tBodies[0];
  const made = wanted.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((content) => (content instanceof HTMLTableCellElement ? content : cell(content))));
    return row;
  });
  if (made.length === 0 && nothing) {
    const row = document.createElement("tr");
    const only = cell(nothing, "none");
    only.colSpan = 9;
    row.append(only);
    made.push(row);
  }
  body.replaceChildren(...made);
}

export function cell(content, kind = "") {
  const made = document.createElement("td");
  made.className = kind;
  made.append(content instanceof Node ? content : String(content ?? ""));
  return made;
}

export const number = (text) => cell(text, "number");
export const time = (ms) => new Date(ms).toLocaleTimeString("en-GB");
export const milliseconds = (secs) => `${(secs * 1000).toLocaleString("en", { maximumFractionDigits: 1 })} ms`;

export async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

/** Runs `look` every so often; the page's `#state` says when it last went well. */
export async function poll(everyMs, look) {
  const state = document.getElementById("state");
  try {
    await look();
    state.textContent = `as of ${time(Date.now())}`;
    state.className = "";
  } catch (error) {
    state.textContent = `no answer: ${error.message}`;
    state.className = "lost";
  }
  setTimeout(() => poll(everyMs, look), everyMs);
}
