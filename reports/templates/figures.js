"use strict";
// Inflates plotly.js out of the page, and draws every figure.
(function () {
  const narrow = window.matchMedia("(max-width: 720px)");

  async function inflate(element) {
    const packed = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  // An inline script, because the policy admits it by the hash of exactly this text.
  async function loadPlotly() {
    const element = document.getElementById("plotly");
    if (!element) return;
    const script = document.createElement("script");
    script.textContent = await inflate(element);
    document.head.append(script);
    element.remove();
  }

  function fitted(layout) {
    if (!narrow.matches) return layout;
    const margin = Object.assign({}, layout.margin, { l: 44, r: 6 });
    return Object.assign({}, layout, { margin: margin, font: Object.assign({}, layout.font, { size: 11 }) });
  }

  function draw(holder) {
    const figure = JSON.parse(document.getElementById("data-" + holder.dataset.figure).textContent);
    holder.style.height = figure.layout.height + "px";
    return window.Plotly.newPlot(holder, figure.data, fitted(figure.layout), {
      responsive: true,
      displaylogo: false,
      // Named one by one: the default bar offers to send the figure to a server.
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
      toImageButtonOptions: { format: "svg", filename: holder.dataset.figure },
    });
  }

  // Paper is narrower than the window the figures were drawn for.
  function fitToPaper(holders) {
    const width = 700;
    window.addEventListener("beforeprint", () => holders.forEach((one) => window.Plotly.relayout(one, { width: width })));
    window.addEventListener("afterprint", () => holders.forEach((one) => window.Plotly.relayout(one, { width: null, autosize: true })));
  }

  async function start() {
    const holders = Array.from(document.querySelectorAll("[data-figure]"));
    if (!holders.length) return 0;
    try {
      await loadPlotly();
    } catch (error) {
      holders.forEach((one) => { one.textContent = "This browser cannot unpack the figures; their data is in the table below."; });
      throw error;
    }
    await Promise.all(holders.map(draw));
    fitToPaper(holders);
    return holders.length;
  }

  // Resolves to the number of figures on the page; tests and printing tools wait for it.
  window.reportDrawn = start();
})();
