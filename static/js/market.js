// Draws a market's candles from the JSON beside the figure, and fetches finer ones when the reader zooms in.

import { CONFIG, css, frame } from "./charts.js";

function trace(candles) {
  const { x, open, high, low, close } = candles;
  return {
    type: "candlestick", x, open, high, low, close, name: "price",
    increasing: { line: { color: css("--good"), width: 1 } },
    decreasing: { line: { color: css("--bad"), width: 1 } },
  };
}

function layout() {
  const x = { type: "date", rangeslider: { visible: false } };
  return { ...frame({ l: 64, b: 36 }, x, { title: { text: "Price in the quote currency" } }), showlegend: false };
}

function show(figure, candles) {
  const counter = figure.querySelector("[data-per-candle]");
  if (counter) counter.textContent = candles.bars_per_candle.toLocaleString("en");
  window.Plotly.react(figure.querySelector(".plot"), [trace(candles)], layout(), CONFIG);
}

// Plotly names times without a zone; they are UTC here.
const microseconds = (time) => Math.round(Date.parse(`${time.replace(" ", "T").replace(/Z$/, "")}Z`) * 1000);

async function zoom(figure, whole, change) {
  if (change["xaxis.autorange"]) {
    show(figure, whole);
    return;
  }
  const from = microseconds(String(change["xaxis.range[0]"] ?? ""));
  const to = microseconds(String(change["xaxis.range[1]"] ?? ""));
  if (Number.isNaN(from) || Number.isNaN(to)) return;
  const answer = await fetch(`${figure.dataset.address}&from=${from}&to=${to}`);
  if (!answer.ok) return;
  const candles = await answer.json();
  if (candles.x.length > 1) show(figure, candles);
}

function start(figure) {
  const whole = JSON.parse(document.getElementById(figure.dataset.candles).textContent);
  show(figure, whole);
  figure.querySelector(".plot").on("plotly_relayout", (change) => zoom(figure, whole, change));
  document.addEventListener("themechange", () => show(figure, whole));
}

if (window.Plotly) for (const figure of document.querySelectorAll("figure[data-candles]")) start(figure);
