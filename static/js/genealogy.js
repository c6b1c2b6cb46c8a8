// The family tree: a click on a dot shows its genes beside its parents' without leaving the graph.

const graph = document.querySelector(".genealogy");

graph?.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const wantsOwnTab = event.ctrlKey || event.metaKey || event.shiftKey;
  if (!link || wantsOwnTab || !window.htmx) return;
  event.preventDefault();
  graph.querySelector(".chosen")?.classList.remove("chosen");
  link.querySelector(".node").classList.add("chosen");
  window.htmx.ajax("GET", link.getAttribute("href"), { target: "#card", swap: "innerHTML" });
});
