// Draws every figure[data-chart] from the JSON beside it (trainingday/charts.py) with Plotly, in the page's colours.

export const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false, doubleClick: "reset" };
const PAPER_WIDTH = 680; // pixels between the margins of A4
const root = document.documentElement;
const drawn = new Map();
let isOnPaper = false;
let screenTheme;
let revision = 0; // a live page changes its arrays in place, which Plotly does not see by itself

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = { dim: "--ink-3", accent: "--accent", ink: "--ink" };
const colour = (role) => css(COLOURS[role] ?? `--${role}`) || css("--ink");

function faded(hex, alpha) {
  const n = Number.parseInt(hex.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}

function edges(trace, shade) {
  if (!trace.low?.length) return [];
  const line = { width: 0 };
  const shared = { x: trace.x, mode: "lines", line, hoverinfo: "skip", showlegend: false, type: "scatter" };
  return [
    { ...shared, y: trace.low },
    { ...shared, y: trace.high, fill: "tonexty", fillcolor: faded(shade, 0.16) },
  ];
}

// A group of series stands in the legend once, by its own name.
function inLegend(trace, place, traces) {
  if (!trace.group) return { name: trace.name };
  const showlegend = traces.findIndex((other) => other.group === trace.group) === place;
  return { name: trace.group, legendgroup: trace.group, showlegend };
}

function hover(trace) {
  if (trace.labels) return "%{text}<extra></extra>";
  return trace.group ? `%{x}, %{y}<extra>${trace.name}</extra>` : undefined;
}

function toPlotly(trace, place, traces) {
  const shade = colour(trace.role);
  const isOutline = trace.symbol.endsWith("-open");
  return [
    ...edges(trace, shade),
    {
      type: "scatter",
      ...inLegend(trace, place, traces),
      x: trace.x,
      y: trace.y,
      mode: trace.mode,
      text: trace.labels,
      line: { color: shade, width: 1.8, dash: trace.dash },
      marker: { color: shade, size: 7, symbol: trace.symbol, line: { width: isOutline ? 1.5 : 0, color: shade } },
      hovertemplate: hover(trace),
      connectgaps: false,
    },
  ];
}

// What the layouts of all figures share; `title` and `type` go into its axes.
export function frame(margin, x, y) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line-strong"), linecolor: css("--line-strong"), automargin: true };
  return {
    margin: { l: 56, r: 12, t: 8, b: 44, ...margin },
    width: isOnPaper ? PAPER_WIDTH : undefined,
    datarevision: ++revision,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 13, color: css("--ink-2") },
    hoverlabel: { bgcolor: css("--surface"), bordercolor: css("--line-strong"), font: { color: css("--ink"), family: css("--sans") } },
    xaxis: { ...axis, ...x },
    yaxis: { ...axis, ...y },
    dragmode: "zoom",
  };
}

function layout(spec) {
  const title = (text) => ({ text, standoff: 8, font: { size: 13 } });
  const bands = spec.bands.map((band) => ({
    type: "rect", xref: "x", yref: "paper", x0: band.from, x1: band.to, y0: 0, y1: 1, layer: "below",
    fillcolor: faded(colour(band.role), 0.12), line: { width: 0 },
  }));
  const labels = spec.bands.map((band) => ({
    x: band.from, y: 1, xref: "x", yref: "paper", text: band.label, showarrow: false, xanchor: "left", yanchor: "bottom",
    font: { color: colour(band.role), size: 12 },
  }));
  return {
    ...frame(
      { t: spec.bands.length ? 22 : 8 },
      { title: title(spec.x), type: spec.is_time ? "date" : undefined },
      { title: title(spec.y) },
    ),
    showlegend: spec.traces.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 12 } },
    shapes: bands,
    annotations: labels,
  };
}

// The table behind a live figure: the server made it as the page was loaded.
function fillTable(figure, spec) {
  const cell = (text, className = "") => Object.assign(document.createElement("td"), { textContent: text, className });
  const rows = spec.traces.flatMap((trace) => trace.x.map((x, place) => {
    const row = document.createElement("tr");
    const y = trace.y[place];
    row.append(cell(trace.name), cell(x), cell(typeof y === "number" ? String(Number(y.toPrecision(4))).replace("-", "−") : "–", "number"));
    return row;
  }));
  figure.querySelector("details tbody").replaceChildren(...rows);
}

// Draws a figure's spec anew; a live page changes the spec and calls this again.
export function draw(figure, spec) {
  const plot = figure.querySelector(".plot");
  const isEmpty = spec.traces.every((trace) => trace.x.length === 0);
  figure.classList.toggle("is-empty", isEmpty);
  if (figure.dataset.liveChart && drawn.has(figure)) fillTable(figure, spec);
  drawn.set(figure, spec);
  if (isEmpty || !window.Plotly) return;
  window.Plotly.react(plot, spec.traces.flatMap(toPlotly), layout(spec), CONFIG);
}

export function specOf(figure) {
  return drawn.get(figure) ?? JSON.parse(document.getElementById(figure.dataset.chart).textContent);
}

export function drawAll(root = document) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure, specOf(figure));
}

function redraw() {
  for (const figure of drawn.keys()) if (figure.isConnected) draw(figure, drawn.get(figure));
    else drawn.delete(figure);
}

// Paper is light, and narrower than a screen: what is printed is drawn anew.
function turn(toPaper) {
  if (toPaper === isOnPaper) return;
  isOnPaper = toPaper;
  if (toPaper) {
    screenTheme = root.dataset.theme;
    root.dataset.theme = "light";
  } else if (screenTheme) root.dataset.theme = screenTheme;
  else delete root.dataset.theme;
  changeTheme();
  if (!toPaper && window.Plotly) for (const plot of document.querySelectorAll(".js-plotly-plot")) window.Plotly.Plots.resize(plot);
}

function changeTheme() {
  document.dispatchEvent(new CustomEvent("themechange"));
}

document.addEventListener("themechange", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changeTheme);
matchMedia("print").addEventListener("change", ({ matches }) => turn(matches));
addEventListener("beforeprint", () => turn(true));
addEventListener("afterprint", () => turn(false));
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
drawAll();
