// Shows the last requests, and why each was refused.
import { ask, cell, milliseconds, number, poll, rows, time } from "./shared.js";

const EVERY_MS = 1000;
const form = document.getElementById("filter");
let requests = [];

function show() {
  const only = new FormData(form).has("refused");
  const wanted = requests.filter(({ code }) => !only || code);
  rows("requests", wanted.map((request) => [
    time(request.at_ms), cell(request.status, kind(request)), cell(`${request.method} ${request.path}`, "path"),
    cell(request.code ? `${request.code}: ${request.reason}` : "", "reason"),
    number(milliseconds(request.elapsed_us / 1e6)),
  ]), "none so far: play a signed URL of this edge, and see here why it is let in or not");
}

const kind = ({ status, code }) => (status >= 500 ? "bad" : code ? "odd" : "good");

form.oninput = show;
form.onsubmit = (event) => event.preventDefault();

poll(EVERY_MS, async () => {
  const { scheme, served, refused } = await (await ask("requests")).json();
  requests = [...served, ...refused].sort((one, other) => other.number - one.number);
  rows("scheme", ["scheme", "a token opens", "bound"].map((what) => [what, scheme[what]]));
  show();
});
