"use strict";
theme();
read().then((data) => {
  findings(data);
  let graph = null;
  lazily("libraries", () => { graph = new LibraryGraph(data); });
  lazily("device-code", () => { if ($("heat-body")) deviceCode(data); });
  lazily("runpaths", () => runpaths(data));
  lazily("files", () => filesTable(data));
  document.documentElement.dataset.ready = "yes";
}).catch((error) => {
  $("failure").hidden = false;
  $("failure").textContent = `The data of this page can't be read: ${error.message}`;
});
