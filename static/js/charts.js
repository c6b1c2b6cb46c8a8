// Draws every figure[data-chart] from the JSON beside it (trainingday/charts.py) with Plotly, in the page's colours.

const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false, doubleClick: "reset" };
const drawn = new Map();

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
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

function toPlotly(trace) {
  const shade = colour(trace.role);
  const isOutline = trace.symbol.endsWith("-open");
  return [
    ...edges(trace, shade),
    {
      type: "scatter",
      name: trace.name,
      x: trace.x,
      y: trace.y,
      mode: trace.mode,
      text: trace.labels,
      line: { color: shade, width: 1.8, dash: trace.dash },
      marker: { color: shade, size: 7, symbol: trace.symbol, line: { width: isOutline ? 1.5 : 0, color: shade } },
      hovertemplate: trace.labels ? "%{text}<extra></extra>" : undefined,
      connectgaps: false,
    },
  ];
}

function layout(spec) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line-strong"), linecolor: css("--line-strong"), automargin: true };
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
    margin: { l: 56, r: 12, t: spec.bands.length ? 22 : 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 13, color: css("--ink-2") },
    hoverlabel: { bgcolor: css("--surface"), bordercolor: css("--line-strong"), font: { color: css("--ink"), family: css("--sans") } },
    xaxis: { ...axis, title: title(spec.x), type: spec.is_time ? "date" : undefined },
    yaxis: { ...axis, title: title(spec.y) },
    showlegend: spec.traces.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 12 } },
    shapes: bands,
    annotations: labels,
    dragmode: "zoom",
  };
}

// Draws a figure's spec anew; a live page changes the spec and calls this again.
export function draw(figure, spec) {
  const plot = figure.querySelector(".plot");
  const isEmpty = spec.traces.every((trace) => trace.x.length === 0);
  figure.classList.toggle("is-empty", isEmpty);
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

document.addEventListener("themechange", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
drawAll();
