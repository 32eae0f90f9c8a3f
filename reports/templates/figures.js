"use strict";
// Inflates plotly.js out of the page, and draws every figure: what is on the screen first.
(function () {
  const narrow = window.matchMedia("(max-width: 720px)");
  // What A4 leaves between the margins of the style sheet, less than a pixel of either edge; figures are as wide.
  const PAPER_PX = 700;

  // Letter by letter in a plain loop: Uint8Array.from took a third of a second for the same.
  function decoded(base64) {
    const letters = atob(base64);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }

  async function inflate(element) {
    const stream = new Blob([decoded(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  // An inline script, because the policy admits it by the hash of exactly this text.
  async function loadPlotly() {
    const element = document.getElementById("plotly");
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

  // What a trace's meta says of narrow pages takes the place of its own attributes there.
  function fittedData(data) {
    if (!narrow.matches) return data;
    return data.map((trace) => (trace.meta ? Object.assign({}, trace, trace.meta.narrow) : trace));
  }

  // A holder with what is to be drawn in it, and its place kept: nothing moves when it is drawn.
  function prepared(holder) {
    const plot = JSON.parse(document.getElementById("data-" + holder.dataset.figure).textContent);
    holder.style.height = plot.layout.height + "px";
    return { holder: holder, plot: plot, drawn: false };
  }

  async function draw(figure) {
    if (figure.drawn) return;
    figure.drawn = true;
    await window.Plotly.newPlot(figure.holder, fittedData(figure.plot.data), fitted(figure.plot.layout), {
      responsive: true,
      displaylogo: false,
      // Named one by one: the default bar offers to send the figure to a server.
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
      toImageButtonOptions: { format: "svg", filename: figure.holder.dataset.figure },
    });
    // Read aloud, a drawing is a heap of tick labels; its label says what it shows, and its table has the numbers.
    figure.holder.querySelectorAll(".main-svg").forEach((one) => one.setAttribute("aria-hidden", "true"));
  }

  function isOnScreen(figure) {
    const box = figure.holder.getBoundingClientRect();
    return box.bottom > 0 && box.top < window.innerHeight;
  }

  // Between two figures the reader can scroll. No animation frame, which a page in the background never gets.
  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

  // Paper is narrower than the window the figures were drawn for.
  function fitToPaper(figures) {
    const resize = (change) => figures.forEach((one) => one.drawn && window.Plotly.relayout(one.holder, change));
    window.addEventListener("beforeprint", () => {
      figures.forEach(draw);
      resize({ width: PAPER_PX });
    });
    window.addEventListener("afterprint", () => resize({ width: null, autosize: true }));
  }

  async function start() {
    const figures = Array.from(document.querySelectorAll("[data-figure]"), prepared);
    if (!figures.length) return 0;
    try {
      await loadPlotly();
    } catch (error) {
      figures.forEach((one) => { one.holder.textContent = "This browser cannot unpack the figures; their data is in the table below."; });
      throw error;
    }
    fitToPaper(figures);
    const first = figures.filter(isOnScreen);
    for (const one of [...first, ...figures.filter((other) => !first.includes(other))]) {
      await draw(one);
      await pause();
    }
    return figures.length;
  }

  // Resolves to the number of figures on the page; tests and printing tools wait for it.
  window.reportDrawn = start();
})();
