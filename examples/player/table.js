import { statusText, summary } from "./requests.js";

const COLOURS = { ok: "good", refused: "bad", failed: "bad" };

/** Draws the rows of a request log; a row that changed is drawn again in its place. */
export class RequestTable {
  #box;
  #body;
  #summary;

  constructor(section) {
    this.#box = section.querySelector(".rows");
    this.#body = section.querySelector("tbody");
    this.#summary = section.querySelector(".summary");
  }

  clear() {
    this.#body.replaceChildren();
    this.#summary.textContent = summary([]);
  }

  update(row, rows) {
    const atEnd = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < 8;
    const old = this.#body.rows[row.number - 1];
    if (old) old.replaceWith(draw(row));
    else this.#body.append(draw(row));
    this.#summary.textContent = summary(rows);
    // Follow the newest row, unless the reader has scrolled back to look at an older one.
    if (atEnd) this.#box.scrollTop = this.#box.scrollHeight;
  }
}

function draw(row) {
  const line = document.createElement("tr");
  const url = cell("url", "");
  url.title = row.url;
  url.append(...breakable(row.short));
  if (row.redirectedTo) {
    const then = element("span", "then", "→ ");
    then.append(...breakable(row.redirectedTo));
    url.append(then);
  }
  const status = cell("status-code", "");
  status.append(element("span", `badge ${COLOURS[row.outcome] ?? ""}`, statusText(row)));
  line.append(cell("number", row.number), url, cell("type", row.type), status);
  return line;
}

// A narrow column breaks a URL between its parts rather than within a name.
function breakable(url) {
  return url.split(/(?<=[/?])|(?=&)/).flatMap((part) => [document.createElement("wbr"), part]);
}

function cell(className, text) {
  return element("td", className, text);
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
