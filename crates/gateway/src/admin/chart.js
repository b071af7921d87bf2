// A small line chart: a few series over the last minutes, the largest value at the top.
const WIDTH = 600;
const HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

/** Draws `series`, `[{ name, values }]` with the newest value last, into an `<svg>`. */
export function draw(svg, series, points) {
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const top = niceAbove(most);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const x = (at, length) => WIDTH - (length - 1 - at) * (WIDTH / (points - 1));
  const y = (value) => HEIGHT - (value / top) * (HEIGHT - 14);
  const children = [0, top].map((value) => element("line", { x1: 0, x2: WIDTH, y1: y(value), y2: y(value) }));
  for (const { name, values } of series) {
    const line = values.map((value, at) => `${x(at, values.length).toFixed(1)},${y(value).toFixed(1)}`);
    children.push(element("polyline", { class: name, points: line.join(" ") }));
  }
  const label = element("text", { x: 2, y: y(top) - 3 });
  label.textContent = String(top);
  children.push(label);
  svg.replaceChildren(...children);
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The next of 1, 2, 5, 10, 20, ... */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((nice) => nice >= value);
}
