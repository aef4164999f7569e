// What is on the session: the images, the one on the stage, and what is told of them.

import { paint } from "./drawing.js";
import { isShown, Model } from "./model.js";
import { View } from "./view.js";
import { byId, count, wordsOf } from "./labels.js";

const { dataset } = byId("annotator");
export const review = dataset.review === "true";
export const reasons = Number(dataset.reasons); // for which the output holds boxes that are not counted
export const tracks = dataset.tracks === "true"; // whether the images are frames of a video
export const trains = dataset.trains === "true";
export const mode = review ? "review" : "annotate";
export const words = wordsOf(review);
export const stage = byId("stage");
export const context = byId("canvas").getContext("2d");
Model.review = review;
Model.classes = JSON.parse(dataset.classes);
[Model.label] = Model.classes;
const shape = Number(dataset.width) / Number(dataset.height);

export const session = {
  images: [], // {name, state, boxes} of each
  suggests: review || tracks, // whether there is a cascade, or a video
  wanted: 0, // the number of the image that is shown, or on its way
  model: null, // what is said of the image that is shown
  image: null,
  view: new View(),
  spaceHeld: false,
  drawing: false, // whether each drag draws, also beside and inside of other boxes
  light: { brightness: 1, contrast: 1 },
  cross: null, // where the mouse is, while it may draw

  get aspect() { return byId("lock").checked ? shape : null; },

  redraw() { this.frame ??= requestAnimationFrame(() => { this.frame = null; draw(); }); },

  told() { tell(); },
};

export function draw() {
  const { model, view, image, aspect, cross, light } = session;
  const { items = [], selected = -1 } = model ?? {};
  paint(context, { view, image, items, selected, mode, free: !aspect, cross, light });
}

export function say(text, trouble = false) {
  const status = byId("status");
  status.textContent = text;
  status.classList.toggle("trouble", trouble);
}

// Called whenever what is told changes.
export const watchTell = [];

// Tell in words what is shown, and which buttons make sense.
export function tell() {
  const { model, wanted, images } = session;
  if (!images.length) return;
  byId("name").textContent = images[wanted].name;
  if (document.activeElement !== byId("jump")) byId("jump").value = wanted + 1;
  byId("total").textContent = images.length;
  byId("selected").textContent = model?.current ? describe(model) : "";
  tellState(stateOf(model, images[wanted]), model?.of("box").length ?? 0);
  tellButtons(model);
  for (const watch of watchTell) watch();
}

function describe({ current, items }) {
  const [x, y, width, height] = current.box;
  const what = current.label && current.kind === "box" ? `${current.label},` : words.kind(current);
  const shown = items.filter(isShown);
  return `${what} ${shown.indexOf(current) + 1} of ${shown.length}: ${width} × ${height} at ${x}, ${y}`;
}

// What is shown may be ahead of what is saved, by a moment.
function stateOf(model, image) {
  if (!model) return image.state;
  if (!model.holds) return model.negative ? "negative" : "unseen";
  return model.done ? "done" : "begun";
}

function tellState(state, boxes) {
  byId("state").className = `state ${state}`;
  byId("state").textContent = words.state(state, boxes);
}

function tellButtons(model) {
  const { current } = model ?? {};
  const pending = Boolean(model?.of("pending").length);
  const can = {
    accept: pending, refuseAll: pending, suggest: model && session.suggests, create: model, remove: current,
    object: current && current.kind !== "ignored", undo: model?.past.length, redo: model?.future.length,
    copyPrevious: model && session.wanted > 0, duplicate: current, negative: model && !model.holds && !model.negative, previous: session.wanted > 0,
  };
  for (const button of document.querySelectorAll("[data-class]")) {
    button.ariaPressed = String(button.dataset.class === (current?.label ?? Model.label));
  }
  for (const button of document.querySelectorAll("[data-act]")) {
    const { act, one, all } = button.dataset;
    if (act in can) button.disabled = !can[act];
    if (one) button.textContent = current?.kind === "pending" ? one : all;
  }
}

export function tellCounts() {
  const counts = count(session.images);
  const bar = byId("progress");
  bar.max = Math.max(1, counts.total - counts.unreadable);
  bar.value = counts.finished;
  byId("counts").textContent = `${counts.finished} of ${counts.total}`;
  byId("boxes").textContent = words.state("done", counts.boxes);
}
