// Live parts of a training session: trials, learning curves, leaderboard. A row or point is keyed by what it
// is (trial index; seed and step), so an event that the page knows already changes nothing.
import { draw, specOf } from "./charts.js";
import { duration } from "./live.js";

const root = document.querySelector("[data-live-run]");
const find = (selector) => root.querySelector(selector);
const figure = (name) => find(`[data-live-chart="${name}"]`);
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const TONES = { complete: "good", pruned: "dim", failed: "bad", waiting: "wait" };

const number = (value, digits) =>
  typeof value === "number" ? value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" }).replace("-", "−") : "–";
const percent = (value) => (typeof value === "number" ? `${number(value * 100, 1)} %` : "–");

function significant(value) {
  if (Array.isArray(value)) return value.join("×");
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function cell(text, className = "", tag = "td") {
  const node = document.createElement(tag);
  node.className = className;
  if (text instanceof Node) node.append(text);
  else node.textContent = text;
  return node;
}

function badge(state) {
  const node = document.createElement("span");
  node.className = `badge badge-${TONES[state] ?? "dim"}`;
  node.textContent = state;
  return node;
}

function showTrial(trial) {
  const body = find('[data-live="trials"] tbody');
  const settings = Object.entries(trial.hyperparameters ?? {}).filter(([name]) => name !== "algorithm");
  const row = document.createElement("tr");
  row.dataset.trial = trial.index;
  row.className = "is-new";
  row.append(
    cell(String(trial.index), "number"),
    cell(badge(trial.state)),
    cell(number(trial.score, 3), "number"),
    cell(trial.hyperparameters?.algorithm ?? "–"),
    cell(settings.map(([name, value]) => `${name} ${significant(value)}`).join(", "), "small parameters"),
    cell(typeof trial.seconds === "number" ? duration(trial.seconds) : "–", "number"),
  );
  const old = body.querySelector(`[data-trial="${trial.index}"]`);
  const next = [...body.children].find((other) => Number(other.dataset.trial) > trial.index);
  if (old) old.replaceWith(row);
  else body.insertBefore(row, next ?? null);
  if (trial.n_done !== undefined) find('[data-live="n-done"]').textContent = trial.n_done;
  if (trial.n_total !== undefined) find('[data-live="n-total"]').textContent = trial.n_total;
}

function setPoint(trace, x, y) {
  const place = trace.x.indexOf(x);
  if (place >= 0) trace.y[place] = y;
  else {
    const after = trace.x.findIndex((other) => other > x);
    trace.x.splice(after < 0 ? trace.x.length : after, 0, x);
    trace.y.splice(after < 0 ? trace.y.length : after, 0, y);
  }
}

function redraw(name, spec) {
  draw(figure(name), spec);
  const empty = find(`[data-empty-for="${name}"]`);
  if (empty) empty.hidden = true;
}

function plotTrial(trial) {
  if (typeof trial.score !== "number") return;
  const spec = specOf(figure("trials"));
  const trace = spec.traces.find((other) => other.name === `trial, ${trial.state}`);
  if (!trace) return;
  setPoint(trace, trial.index, trial.score);
  const complete = spec.traces[0];
  const best = spec.traces.at(-1);
  best.x = [...complete.x];
  best.y = complete.y.map((_, index) => Math.max(...complete.y.slice(0, index + 1)));
  redraw("trials", spec);
}

function plotIntermediate(trial) {
  const spec = specOf(figure("intermediate"));
  const trace = spec.traces.find((other) => other.name === trial.state);
  const label = (step) => `trial ${trial.index}, checkpoint ${step}`;
  trace && (trace.labels ??= []);
  if (!trace || !trial.intermediate?.length || trace.labels.includes(label(1))) return;
  const steps = trial.intermediate.map((_, place) => place + 1);
  trace.x.push(...steps, steps.at(-1));
  trace.y ??= [];
  trace.y.push(...trial.intermediate, null);
  trace.labels.push(...steps.map(label), "");
  redraw("intermediate", spec);
}

function plotCurve(point) {
  const spec = specOf(figure("curve"));
  const seed = point.seed === undefined ? "this model" : `seed ${point.seed}`;
  const name = point.part ? `${point.part}, ${seed}` : seed;
  let trace = spec.traces.find((other) => other.name === name);
  if (!trace) {
    const group = point.part ?? "";
    // The dashes tell the parts of the session apart; on a model's own page they tell its seeds apart.
    const styles = [...new Set(spec.traces.map((other) => other.group || other.name))];
    const style = styles.includes(group) ? styles.indexOf(group) : styles.length;
    trace = { name, group, x: [], y: [], role: name.startsWith("baseline") ? "dim" : "validation", mode: "lines+markers", dash: DASHES[style % DASHES.length], symbol: "circle" };
    spec.traces.push(trace);
  }
  if (point.points) { // a training that is done tells all its checkpoints
    trace.x = point.points.map((one) => one.step);
    trace.y = point.points.map((one) => one.validation_sharpe);
  } else setPoint(trace, point.step, point.validation_sharpe ?? null);
  redraw("curve", spec);
}

// Family above, parameters below, as the template filter "strategy" writes it.
function strategyCell(label) {
  const [family, ...rest] = label.split(" ");
  const node = cell(family, "", "th");
  node.scope = "row";
  if (rest.length > 0) {
    const words = document.createElement("span");
    words.className = "dim small nowrap";
    words.textContent = rest.join(", ").replaceAll("=", " ");
    node.append(document.createElement("br"), words);
  }
  return node;
}

function showLeaderboard(rows) {
  find('[data-live="leaderboard"] tbody').replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    const name = strategyCell(row.strategy ?? row.label ?? row.name ?? "–");
    line.append(name, cell(number(row.sharpe_ratio, 2), "number"), cell(percent(row.total_return), "number"),
      cell(percent(row.max_drawdown), "number"), cell(percent(row.win_rate), "number"), cell(number(row.n_trades, 0), "number"));
    return line;
  }));
  find('[data-empty-for="leaderboard"]')?.remove();
}

root.addEventListener("runevent", ({ detail: { kind, payload } }) => {
  if (kind === "trial") {
    showTrial(payload);
    plotTrial(payload);
    plotIntermediate(payload);
  } else if (kind === "curve") plotCurve(payload);
  else if (kind === "leaderboard") showLeaderboard(payload.rows ?? payload.entries ?? []);
  else if (kind === "verdict") find('[data-live="verdict"]')?.replaceChildren(`${String(payload.verdict).replaceAll("_", " ")}: ${payload.reason}`);
});
