"use strict";
// Offers what the page knows as a file.
(function () {
  function offerDownload() {
    const button = document.getElementById("download");
    button.hidden = false;
    button.addEventListener("click", function () {
      const link = document.createElement("a");
      const text = document.getElementById("summary").textContent;
      link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      link.download = "summary.json";
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  offerDownload();
})();
