import { byId, classify, drawFaces, say, showBars, whenChosen } from "./common.js";

const [SMALLEST, LARGEST] = [960, 1600]; // pixels of the longer side that is drawn

let latest = null;

function link(id, blob) {
  const anchor = byId(id);
  URL.revokeObjectURL(anchor.href);
  anchor.href = URL.createObjectURL(blob);
}

async function show(file, answer) {
  const [found] = answer.images;
  const image = await createImageBitmap(file);
  const canvas = byId("canvas");
  const longer = Math.max(found.width, found.height);
  const scale = Math.min(Math.max(longer, SMALLEST), LARGEST) / longer;
  canvas.width = Math.max(1, Math.round(found.width * scale));
  canvas.height = Math.max(1, Math.round(found.height * scale));
  drawFaces(canvas, image, found.faces, scale);
  showBars(byId("faces"), found.faces);
  link("json", new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  canvas.toBlob((blob) => link("png", blob));
  byId("result").hidden = false;
  const count = found.faces.length;
  say(count ? `${count} ${count > 1 ? "faces" : "face"} in ${file.name || "the image"}` : "No face was found.");
}

whenChosen(async (file) => {
  latest?.abort();
  const mine = latest = new AbortController();
  byId("result").hidden = true;
  say("Looking …");
  try {
    const answer = await classify(file, mine);
    if (mine === latest) await show(file, answer);
  } catch (error) {
    if (mine === latest) say(error.message, true);
  }
});
