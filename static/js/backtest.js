// The three plots of a backtest share their time axis: zooming one zooms the others.
import "./charts.js";

const plots = [...document.querySelectorAll("figure[data-chart] .plot")].filter((plot) => plot.on);
let isFollowing = false;

async function follow(source, change) {
  if (isFollowing) return;
  const isReset = Boolean(change["xaxis.autorange"]);
  if (!isReset && change["xaxis.range[0]"] === undefined) return;
  const span = isReset
    ? { "xaxis.autorange": true, "yaxis.autorange": true }
    : { "xaxis.range": [change["xaxis.range[0]"], change["xaxis.range[1]"]] };
  isFollowing = true;
  try {
    await Promise.all(plots.filter((plot) => plot !== source).map((plot) => window.Plotly.relayout(plot, span)));
  } finally {
    isFollowing = false;
  }
}

for (const plot of plots) plot.on("plotly_relayout", (change) => follow(plot, change));
