"use strict";
// Offers what the page knows as a file of the button's name.
(function () {
  // As it is, or compressed where it is long (harness.outcome.pages.raw).
  async function known() {
    const text = document.getElementById("summary").textContent;
    if (!text.startsWith('{"gzip+base64":')) return text;
    const letters = atob(JSON.parse(text)["gzip+base64"]);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function offerDownload() {
    const button = document.getElementById("download");
    button.hidden = false;
    button.addEventListener("click", async function () {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([await known()], { type: "application/json" }));
      link.download = button.dataset.file || "summary.json";
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  offerDownload();
})();
