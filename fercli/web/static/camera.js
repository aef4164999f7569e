// The server's camera: its image comes as a stream; this saves what it shows.

import { byId, make, now, saveCanvas } from "./common.js";

byId("snapshot")?.addEventListener("click", () => {
  const view = byId("view");
  const canvas = make("canvas");
  Object.assign(canvas, { width: view.naturalWidth, height: view.naturalHeight });
  canvas.getContext("2d").drawImage(view, 0, 0);
  saveCanvas(canvas, `camera-${now()}.png`);
});
