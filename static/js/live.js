// Follows one run over its socket: [data-live-run] holds its name, data-since the last event on the page.
// Every event is handed on once as a "runevent"; the parts that all live pages share are kept here.

const TERMINAL = ["succeeded", "failed", "cancelled"];
const MAX_LOG = 400;
const root = document.querySelector("[data-live-run]");
const part = (name) => root.querySelector(`[data-live="${name}"]`);
let since = Number(root?.dataset.since ?? 0);
let attempt = 0;
let isOver = false;

export function duration(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const total = Math.round(seconds);
  const parts = [[Math.floor(total / 86400), "d"], [Math.floor(total / 3600) % 24, "h"], [Math.floor(total / 60) % 60, "min"], [total % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

function setText(name, text) {
  const node = part(name);
  if (node && text !== undefined && text !== null) node.textContent = text;
}

function showProgress(fraction) {
  const bar = part("progress");
  if (bar) bar.value = fraction;
  setText("percent", `${Math.round(fraction * 100)} %`);
}

function showStage(name) {
  const steps = [...root.querySelectorAll("[data-stage]")];
  const now = steps.findIndex((step) => step.dataset.stage === name);
  if (now < 0) return;
  steps.forEach((step, index) => {
    step.classList.toggle("is-done", index < now);
    step.classList.toggle("is-now", index === now);
    if (index === now) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
}

// The same sentences as trainingday/runs/progress.py; null for what the log leaves out.
function sentence(kind, payload) {
  switch (kind) {
    case "attempt": return `A worker took the run (attempt ${payload.fence ?? "?"})${payload.after ? `, after ${payload.after}` : ""}.`;
    case "stage": return `Stage: ${payload.stage ?? "?"}`;
    case "note": return payload.text ?? "";
    case "generation": return `Generation ${payload.generation ?? "?"} was scored.`;
    case "verdict": return `${String(payload.verdict ?? "?").replaceAll("_", " ")}: ${payload.reason ?? ""}`;
    case "finished": return `${payload.state ?? "?"}. ${payload.reason ?? ""}`.trim();
    default: return null;
  }
}

function addToLog({ seq, kind, payload, at }) {
  const log = part("log");
  const text = sentence(kind, payload);
  if (!log || text === null || log.querySelector(`[data-seq="${seq}"]`)) return;
  part("log-empty")?.remove();
  const line = document.createElement("li");
  line.dataset.seq = seq;
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = new Date(at).toISOString().slice(11, 19);
  const what = document.createElement("span");
  what.className = "kind";
  what.textContent = kind;
  const words = document.createElement("span");
  words.textContent = text;
  line.append(time, what, words);
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  while (log.children.length > MAX_LOG) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function onEvent(frame) {
  if (frame.seq <= since) return;
  since = frame.seq;
  root.dataset.since = since;
  const { kind, payload } = frame;
  if (typeof payload.progress === "number") showProgress(payload.progress);
  if (typeof payload.eta_seconds === "number") part("eta")?.setAttribute("data-eta-at", new Date(Date.parse(frame.at) + payload.eta_seconds * 1000).toISOString());
  if (kind === "progress") setText("detail", payload.detail);
  if (kind === "stage") showStage(payload.stage);
  addToLog(frame);
  root.dispatchEvent(new CustomEvent("runevent", { detail: frame }));
}

function onRun(run) {
  showProgress(run.progress);
  if (run.stage) showStage(run.stage);
  if (run.started_at) part("elapsed")?.setAttribute("data-since-at", run.started_at);
  const badge = part("state")?.firstElementChild;
  if (badge && badge.textContent !== run.state) {
    badge.textContent = run.state;
    badge.className = `badge badge-${run.state === "running" ? "live" : "wait"}`;
  }
  if (TERMINAL.includes(run.state) && !isOver) finish();
}

// What a run leaves behind (verdict, model, leaderboard) is rendered by the server: fetch it once.
function finish() {
  isOver = true;
  setTimeout(() => {
    window.htmx.ajax("GET", window.location.href, { target: "#main", select: "#main", swap: "outerHTML" });
  }, 300);
}

function setStale(isStale) {
  const badge = part("stale");
  if (badge) badge.hidden = !isStale;
}

function connect() {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${window.location.host}/ws/runs/${root.dataset.liveRun}/?since=${since}`);
  socket.addEventListener("message", (message) => {
    attempt = 0;
    setStale(false);
    const frame = JSON.parse(message.data);
    if (frame.type === "event") onEvent(frame);
    else if (frame.type === "run") onRun(frame.run);
  });
  socket.addEventListener("close", (event) => {
    if (isOver) return;
    setStale(true);
    if (event.code === 4401) window.location.reload();
    else setTimeout(connect, Math.min(15000, 500 * 2 ** attempt++) * (0.7 + Math.random() * 0.6));
  });
}

function tick() {
  const eta = part("eta")?.dataset.etaAt;
  const left = eta ? (Date.parse(eta) - Date.now()) / 1000 : 0;
  if (eta) setText("eta", left > 0 ? `about ${duration(left)}` : "longer than estimated");
  const started = part("elapsed")?.dataset.sinceAt;
  if (started) setText("elapsed", duration((Date.now() - Date.parse(started)) / 1000));
}

if (root && root.dataset.active === "true") {
  const log = part("log");
  if (log) log.scrollTop = log.scrollHeight;
  connect();
  setInterval(tick, 1000);
}
