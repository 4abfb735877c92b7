// Charts over time, drawn by uPlot. Each is a picture with a sentence next to it that says
// the same, and is drawn in a frame of its own, so that no turn of the page takes long.
import { element } from "./words.js";

const height = 150; // pixels, without the legend
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");

// library is there when uplot.js has run.
export const library = new Promise((onload) => {
  document.head.prepend(element("link", "", { rel: "stylesheet", href: "/page/uplot.css" })); // ours overrule it
  document.head.append(element("script", "", { src: "/page/uplot.js", onload }));
});

// Chart is one figure in a parent: its spec has a title, how values are written,
// the largest value at least shown, whether to zoom in on what lies below it, and
// lines with a label, a colour and a dash.
export class Chart {
  constructor(parent, spec) {
    this.spec = spec;
    this.width = 200; // pixels, until the browser says it
    this.said = element("p", "note");
    this.canvas = element("div", "plot", { role: "img" });
    this.figure = element("figure", "", element("figcaption", "", spec.title), this.canvas, this.said);
    parent.append(this.figure);
    new ResizeObserver(([seen]) => this.fit(seen.contentRect.width)).observe(this.canvas);
    dark.addEventListener("change", () => this.plot && this.make(this.plot.data));
  }

  // draw shows columns from one moment to another, in Unix seconds: the times
  // first, then one list a line.
  draw(columns, from, to) {
    this.range = [from, to];
    if (this.plot && this.lines === this.spec.lines) this.plot.setData(columns);
    else {
      this.lines = this.spec.lines;
      this.make(columns);
    }
    const text = this.describe(columns);
    this.canvas.ariaLabel = `${this.spec.title}: ${text}`;
    this.said.textContent = text;
  }

  // make makes the plot anew, in the present colours, of columns that fit the lines drawn
  // last: those of the spec may be newer than what is drawn.
  make(columns) {
    this.plot?.destroy();
    const { write, least = 0, zoom = false } = this.spec;
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule"), width: 1 }, font: "12px system-ui" };
    this.plot = new uPlot({
      width: this.width, height, padding: [8, 26, 0, 0],
      scales: { x: { range: () => this.range }, y: { range: (_, low, most) => [zoom ? Math.max(0, Math.floor((low ?? least) - 1)) : 0, zoom ? least : Math.max(least, (most ?? 0) * 1.08) || 1] } },
      axes: [{ ...axis, space: 70 }, { ...axis, size: 66, space: 30, values: (_, ticks) => ticks.map(write) }],
      series: [{}, ...this.lines.map((l) => ({
        label: l.label, stroke: colour(l.colour), width: 1.75, dash: l.dash, points: { show: false }, spanGaps: false,
        value: (_, v) => (v == null ? "–" : write(v)),
      }))],
      cursor: { sync: { key: "history" }, drag: { x: false, y: false }, y: false },
    }, columns, (plot, draw) => { // in the next turn
      this.canvas.append(plot.root);
      setTimeout(() => plot === this.plot && draw(), 0);
    });
  }

  fit(width) {
    this.width = Math.max(200, width);
    if (this.plot && this.plot.width !== this.width) this.plot.setSize({ width: this.width, height });
  }

  // describe says the newest and the highest value of each line.
  describe([, ...lists]) {
    const parts = lists.map((values, i) => {
      const known = values.filter((v) => v != null);
      return known.length ? `${this.spec.lines[i].label} ${this.spec.write(known.at(-1))}, highest ${this.spec.write(Math.max(...known))}` : "";
    });
    return parts.filter(Boolean).join("; ") || "no values yet";
  }
}
