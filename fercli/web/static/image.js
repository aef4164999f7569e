// Images: each is sent by itself, so that one that cannot be used does not spoil the others.

import {
  asSentence, byId, classify, colorOf, drawFaces, inReadingOrder, linkTo, make, plural, saveCanvas, say, showCards, stem,
} from "./common.js";

const [SMALLEST, LARGEST] = [960, 1600]; // pixels of the longer side that is drawn
const SMALLEST_FACE = 24; // pixels: the window of the face cascade
const CROP = 72; // pixels of a face on its card

let entries = []; // of each image {name, file, image, answer} or {name, file, error}
let shown = null;
let latest = null;
let begun = false; // whether anything was chosen

const chosen = () => {
  const query = new URLSearchParams({ model: byId("model").value });
  if (byId("min-face").value) query.set("min_face", byId("min-face").value);
  return `?${query}`;
};

export async function analyzeImages(files) {
  latest?.abort();
  const mine = latest = new AbortController();
  entries = files.map((file) => ({ name: file.name || "the image", file }));
  shown = null;
  byId("result").hidden = true;
  showStrip();
  for (const [at, entry] of entries.entries()) {
    say(entries.length > 1 ? `Image ${at + 1} of ${entries.length} …` : "Looking for faces …");
    await analyze(entry, mine.signal);
    if (mine !== latest) return;
    showStrip();
    if (!shown || shown === entries[at]) show(entry);
  }
  if (entries.length > 1) tell();
}

async function analyze(entry, signal) {
  try {
    entry.answer = await classify(entry.file, { signal, query: chosen() });
    // A format that the browser cannot show, as HEIC, is one that the server could read.
    entry.image ??= await createImageBitmap(entry.file).catch(() => null);
  } catch (error) {
    entry.error = error.message;
  }
}

export function leaveImages() {
  latest?.abort();
  latest = null;
  begun = true;
  entries = [];
  showStrip();
  byId("result").hidden = true;
}

// What fer finds in an image that comes with it.
export async function showExample() {
  const { image, answer } = byId("sample").dataset;
  const [blob, known] = await Promise.all([
    fetch(image).then((response) => response.blob()), fetch(answer).then((response) => response.json()),
  ]);
  if (begun || location.hash) return;
  show({ name: "sample.jpg", file: blob, image: await createImageBitmap(blob), answer: known });
  byId("result-title").textContent = "Example";
  say("");
}

const threshold = () => Number(byId("threshold").value) / 100;

// The faces of an answer, in reading order, those below the threshold unclear.
function facesOf({ answer }) {
  return inReadingOrder(answer.images[0].faces).map((face) => {
    const [name, share] = Object.entries(face.probabilities).sort((one, other) => other[1] - one[1])[0];
    return { ...face, expression: share >= threshold() ? name : "unclear" };
  });
}

function show(entry) {
  shown = entry;
  for (const button of byId("strip").children) button.ariaCurrent = String(button.entry === entry);
  byId("result").hidden = Boolean(entry.error);
  byId("tips").hidden = true;
  if (entry.error) return say(`${entries.length > 1 ? `${entry.name}: ` : ""}${entry.error}`, true);
  if (!entry.answer) return;
  const [found] = entry.answer.images;
  const faces = facesOf(entry);
  byId("result-title").textContent = entry.name;
  const canvas = byId("canvas");
  const longer = Math.max(found.width, found.height);
  const scale = Math.min(Math.max(longer, SMALLEST), LARGEST) / longer;
  canvas.width = Math.max(1, Math.round(found.width * scale));
  canvas.height = Math.max(1, Math.round(found.height * scale));
  drawFaces(canvas, entry.image, faces, scale);
  showMarks(found, faces);
  showCards(byId("faces"), faces, (card, face) => decorate(card, face, entry.image));
  byId("tips").hidden = faces.length > 0;
  byId("unsearched").textContent = `Faces under ${found.smallest_face} pixels were not looked for.`;
  byId("smaller").hidden = found.smallest_face <= SMALLEST_FACE;
  linkTo(byId("json"), new Blob([JSON.stringify({ ...entry.answer, images: [{ ...found, faces }] }, null, 2)],
    { type: "application/json" }), `${stem(entry.name)}-faces.json`);
  byId("png").dataset.name = `${stem(entry.name)}-faces.png`;
  tell();
}

function tell() {
  const { answer, name, image } = shown;
  const count = answer?.images[0].faces.length;
  if (shown.error) return say(`${name}: ${shown.error}`, true);
  const blank = image ? "" : " Your browser cannot show this format.";
  const notes = (answer.images[0].notes ?? []).map((note) => ` ${asSentence(note, "image")}`).join("");
  say((count ? `${plural(count, "face")} in ${name}.` : `No face was found in ${name}.`) + blank + notes);
}

// Boxes that the pointer and the keyboard reach, over those that are drawn.
function showMarks({ width, height }, faces) {
  byId("marks").replaceChildren(...faces.map((face) => {
    const mark = make("button", "mark");
    const [x, y, wide, high] = face.box;
    Object.assign(mark.style, {
      left: `${100 * x / width}%`, top: `${100 * y / height}%`, width: `${100 * wide / width}%`, height: `${100 * high / height}%`,
      color: colorOf(face.person),
    });
    mark.type = "button";
    mark.ariaLabel = `Face ${face.person}: ${face.expression}`;
    link(mark, face.person, () => {
      const card = byId("faces").children[face.person - 1];
      card.scrollIntoView({ block: "nearest", behavior: "smooth" });
      card.focus({ preventScroll: true });
    });
    return mark;
  }));
}

// A card has its face, and shows where in the image it is.
function decorate(card, face, image) {
  card.tabIndex = 0;
  card.ariaLabel = `Face ${face.person}: ${face.expression}`;
  link(card, face.person);
  if (!image) return;
  const crop = make("canvas", "crop");
  crop.width = crop.height = 2 * CROP;
  crop.getContext("2d").drawImage(image, ...face.box, 0, 0, 2 * CROP, 2 * CROP);
  card.prepend(crop);
}

// Pointer or focus on a box or a card marks both.
function link(element, person, act) {
  const mark = (on) => {
    for (const place of ["marks", "faces"]) byId(place).children[person - 1]?.classList.toggle("active", on);
  };
  for (const name of ["mouseenter", "focus"]) element.addEventListener(name, () => mark(true));
  for (const name of ["mouseleave", "blur"]) element.addEventListener(name, () => mark(false));
  if (act) element.addEventListener("click", act);
}

function showStrip() {
  const strip = byId("strip");
  strip.hidden = entries.length < 2;
  if (strip.hidden) return strip.replaceChildren();
  const focused = [...strip.children].indexOf(document.activeElement);
  strip.replaceChildren(...entries.map((entry) => {
    const button = make("button", entry.error ? "broken" : "");
    button.type = "button";
    button.entry = entry;
    if (entry.image) {
      const small = make("canvas");
      [small.width, small.height] = [144, 108];
      const scale = Math.max(144 / entry.image.width, 108 / entry.image.height);
      const [wide, high] = [entry.image.width * scale, entry.image.height * scale];
      small.getContext("2d").drawImage(entry.image, (144 - wide) / 2, (108 - high) / 2, wide, high);
      button.append(small);
    }
    const count = entry.answer?.images[0].faces.length;
    button.append(make("span", "", entry.error ? "!" : count ?? "…"));
    button.title = entry.name;
    button.ariaLabel = `${entry.name}: ${entry.error ?? (count === undefined ? "not yet analyzed" : plural(count, "face"))}`;
    button.ariaCurrent = String(entry === shown);
    button.addEventListener("click", () => show(entry));
    return button;
  }));
  strip.children[focused]?.focus();
}

// Ask again with other settings.
function again() {
  if (shown) analyzeImages(entries.length ? entries.map(({ file }) => file) : [new File([shown.file], shown.name, { type: "image/jpeg" })]);
}

// The image in its own size, with the boxes.
async function save() {
  const { image, answer, file } = shown;
  const [{ width, height }] = answer.images;
  const canvas = make("canvas");
  Object.assign(canvas, { width, height });
  drawFaces(canvas, image ?? await createImageBitmap(file).catch(() => null), facesOf(shown), 1, Math.min(width, 1000));
  saveCanvas(canvas, byId("png").dataset.name);
}

byId("png").addEventListener("click", save);
byId("zoom").addEventListener("click", () => {
  const full = byId("image-view").classList.toggle("full");
  byId("zoom").textContent = full ? "Fit to the page" : "Zoom in";
  byId("zoom").ariaPressed = String(full);
});
byId("smaller").addEventListener("click", () => {
  byId("min-face").value = String(SMALLEST_FACE);
  again();
});
byId("threshold").addEventListener("input", () => {
  byId("threshold-shown").textContent = `${byId("threshold").value} %`;
  if (shown?.answer) show(shown);
});
for (const id of ["model", "min-face"]) byId(id).addEventListener("change", again);
