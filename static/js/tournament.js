// Live parts of a tournament: one point for each generation that was scored.
import { draw, specOf } from "./charts.js";
import "./live.js";

const root = document.querySelector("[data-live-run]");
const MILLISECONDS_BETWEEN_BOARDS = 2000;
let lastBoard = 0;
const KEYS = ["best", "median", "diversity"];

root.addEventListener("runevent", ({ detail: { kind, payload } }) => {
  if (kind !== "generation") return;
  const figure = root.querySelector('[data-live-chart="generations"]');
  const spec = specOf(figure);
  spec.traces.forEach((trace, index) => {
    const place = trace.x.indexOf(payload.generation);
    const value = payload[KEYS[index]] ?? null;
    if (place >= 0) trace.y[place] = value;
    else {
      trace.x.push(payload.generation);
      trace.y.push(value);
    }
  });
  draw(figure, spec);
  root.querySelector('[data-empty-for="generations"]').hidden = true;
  showBoard();
});

// The leaderboard so far, as the server has it; a run that ends renders its whole page anew.
function showBoard() {
  if (Date.now() - lastBoard < MILLISECONDS_BETWEEN_BOARDS) return;
  lastBoard = Date.now();
  window.htmx.ajax("GET", window.location.href, { target: "#standings", swap: "innerHTML" });
}
