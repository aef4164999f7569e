// The page: the picture on the stage, the way from one to the next, what keys and buttons do.

import { anyOpen, askWhich, itemsOf, joined, openHelp, tellEnd } from "./dialogs.js";
import { paint } from "./drawing.js";
import { boxBetween, grown, moved } from "./geometry.js";
import { press } from "./keys.js";
import { Model } from "./model.js";
import { Pointer } from "./pointer.js";
import { Saver, getPicture, getSuggestions, imageAddress, listPictures, sendLast } from "./server.js";
import { Strip } from "./strip.js";
import { View } from "./view.js";
import { byId, count, wordsOf } from "./words.js";

const { dataset } = byId("desk");
const review = dataset.review === "true";
const suggests = dataset.suggests === "true";
const mode = review ? "review" : "annotate";
const shape = Number(dataset.width) / Number(dataset.height);
const words = wordsOf(review);
const stage = byId("stage");
const context = byId("canvas").getContext("2d");

let pictures = [];
let image = null;
let wanted = 0; // the picture that is shown, or on its way
let visit = 0;
const models = new Map();

const desk = {
  view: new View(),
  model: null,
  spaceHeld: false,
  cross: null,
  get aspect() { return byId("lock").checked ? shape : null; },
  redraw() { this.frame ??= requestAnimationFrame(() => { this.frame = null; draw(); }); },
  told: tell,
  changed,
  corrected() { this.model.setKind(this.model.selected, "box"); },
};

function say(text, trouble = false) {
  const status = byId("status");
  status.textContent = text;
  status.classList.toggle("trouble", trouble);
}

function draw() {
  const { model, view, aspect, cross } = desk;
  paint(context, { view, image, items: model?.items ?? [], selected: model?.selected ?? -1, mode, free: !aspect, cross });
}

// Tell in words what is shown, and which buttons make sense.
function tell() {
  const { model } = desk;
  const picture = pictures[wanted];
  byId("name").textContent = picture.name;
  byId("place").textContent = `${wanted + 1} / ${pictures.length}`;
  const negative = model?.negative && !model.of("box").length;
  const state = !model ? picture.state : negative ? "negative" : model.dirty ? "begun" : picture.state;
  byId("state").className = `state ${state}`;
  byId("state").textContent = words.state(state, model?.of("box").length ?? 0);
  const { current } = model ?? {};
  const [x, y, width, height] = current?.box ?? [];
  byId("selected").textContent = current
    ? `${words.kind[current.kind]} ${model.selected + 1} of ${model.items.length}: ${width} × ${height} at ${x}, ${y}` : "";
  const pending = Boolean(model?.of("pending").length);
  const can = {
    undo: model?.past.length, redo: model?.future.length, remove: current, accept: pending, refuseAll: pending,
    negative: model && !model.of("box").length && !negative, create: model, object: current && current.kind !== "ignored",
    previous: wanted > 0, suggest: model,
  };
  for (const button of document.querySelectorAll("[data-act]")) {
    if (button.dataset.act in can) button.disabled = !can[button.dataset.act];
    if (button.dataset.one) button.textContent = current?.kind === "pending" ? button.dataset.one : button.dataset.all;
  }
}

function tellCounts() {
  const counts = count(pictures);
  const bar = byId("progress");
  bar.max = Math.max(1, counts.total - counts.unreadable);
  bar.value = counts.finished;
  byId("counts").textContent = `${counts.finished} of ${counts.total}`;
  byId("boxes").textContent = words.state("done", counts.boxes);
}

// After each change: what has no box is not finished, and all is saved in a moment.
function changed() {
  const { model } = desk;
  if (!model.of("box").length && !model.negative) model.done = false;
  tell();
  desk.redraw();
  saver.soon(model);
}

const saver = new Saver({
  onSaved(model) {
    Object.assign(pictures[model.number], { state: model.state, boxes: model.of("box").length });
    strip.update(model.number);
    tellCounts();
    if (byId("status").classList.contains("trouble")) say("");
    tell();
  },
  onTrouble(model, error) {
    say(`Not saved: ${error.message}. The boxes are kept in this page.`, true);
  },
  async onConflict(model, current) {
    const answer = await askWhich(model, current, image, mode);
    model.remember();
    if (answer === "theirs") model.items = itemsOf(current);
    if (answer === "both") model.items = joined(model, current);
    if (answer !== "mine") Object.assign(model, { negative: current.negative && !model.of("box").length, done: current.done, selected: -1 });
    model.accepted(current);
    Object.assign(pictures[model.number], { state: current.state, boxes: current.boxes.length });
    tell();
    desk.redraw();
  },
});

const strip = new Strip(byId("strip"), (at) => go(at), words.state, look);
const pointer = new Pointer(stage, desk);

// Show a picture. Unreadable ones on the way (`step` 1 or -1) are passed over.
async function go(number, step = 0) {
  if (pointer.busy || !(await leave())) return;
  const mine = ++visit;
  wanted = number;
  try {
    const [known, loaded] = await load(number);
    if (mine !== visit) return;
    const from = desk.model?.number ?? number;
    show(known, loaded);
    const between = step > 0 ? [from + 1, number] : [number + 1, from];
    tellPassed(step ? pictures.slice(...between) : []);
  } catch (error) {
    if (mine !== visit) return;
    if (error.status === 422) markUnreadable(number, error);
    if (error.status !== 422 || !step) return showNothing(number, error);
    return passBy(number, step, error);
  }
}

function tellPassed(passed) {
  const [first, ...others] = passed.filter(({ state }) => state === "unreadable");
  const more = others.length ? `, and ${others.length} more` : "";
  say(first ? `Passed over ${first.name}: ${first.reason ?? "cannot be read"}${more}` : "", Boolean(first));
}

// Go on from a picture that cannot be read; where there is no other, the one before stays.
async function passBy(number, step, error) {
  const next = passOver(number, step);
  if (pictures[next]) return go(next, step);
  if (!desk.model) return showNothing(number, error);
  wanted = desk.model.number;
  if (step > 0) tellTheEnd();
}

function markUnreadable(number, error) {
  Object.assign(pictures[number], { state: "unreadable", reason: error.message });
  strip.update(number);
  tellCounts();
}

// A small picture was not to be had: because the picture cannot be read?
async function look(number) {
  try {
    await getPicture(number);
  } catch (error) {
    if (error.status === 422) markUnreadable(number, error);
  }
}

function passOver(number, step) {
  let at = number + step;
  while (pictures[at]?.state === "unreadable") at += step;
  return at;
}

async function load(number) {
  const known = await getPicture(number);
  const loaded = new Image();
  loaded.src = imageAddress(number);
  await loaded.decode();
  return [known, loaded];
}

function show(known, loaded) {
  const { number } = known;
  const before = models.get(number);
  const model = before && before.revision === known.revision ? before : new Model(known);
  models.set(number, model);
  Object.assign(pictures[number], { state: known.state, boxes: known.boxes.length });
  image = loaded;
  desk.model = model;
  desk.view.size = model.size;
  desk.view.fit();
  arrived(number);
  const open = review || ["unseen", "begun"].includes(known.state);
  if (suggests && open && !model.askedFor) suggest(model, true);
  const next = passOver(number, 1);
  if (pictures[next]) prepare(next);
}

// Let the server and the browser have the next picture ready.
async function prepare(number) {
  try {
    await load(number);
    if (suggests) await getSuggestions(number);
  } catch (error) {
    if (error.status === 422) markUnreadable(number, error);
  }
}

function showNothing(number, error) {
  image = null;
  desk.model = null;
  arrived(number);
  say(`${pictures[number].name}: ${error.message}`, true);
}

function arrived(number) {
  history.replaceState(null, "", `#${number + 1}`);
  stage.classList.toggle("empty", !desk.model);
  strip.select(number);
  tellCounts();
  tell();
  desk.redraw();
}

// Whether all that was said of the present picture is kept.
async function leave() {
  const { model } = desk;
  if (!model) return true;
  try {
    await saver.now(model);
    return true;
  } catch {
    return false;
  }
}

// What "next" says of a picture: these are all its boxes.
function finish(model) {
  const boxes = model.of("box").length;
  if (!review) {
    model.done = boxes > 0 || model.negative;
  } else if (model.found && !model.of("pending").length) {
    model.done = true;
    model.negative = !boxes;
  }
}

async function suggest(model, quietly) {
  model.askedFor = true;
  if (!quietly) say("Looking …");
  try {
    const found = await getSuggestions(model.number);
    model.found = found;
    const fresh = model.suggest(found);
    if (desk.model !== model) return;
    if (!quietly) say(fresh ? "" : "Nothing more was found.");
    tell();
    desk.redraw();
  } catch (error) {
    model.askedFor = false;
    if (desk.model === model) say(error.message, true);
  }
}

async function tellTheEnd() {
  if (!(await leave())) return;
  if ((await tellEnd(pictures, words)) === "unfinished") acts.unseen();
}

// An act on what is selected, remembered to be undone.
function change(what, act) {
  const { model } = desk;
  if (!model) return;
  model.remember(what);
  act(model);
  changed();
}

function selectNext(step) {
  const { model } = desk;
  if (!model?.items.length) return;
  const { length } = model.items;
  model.selected = model.selected < 0 ? (step > 0 ? 0 : length - 1) : (model.selected + step + length) % length;
  desk.view.show(model.current.box);
  model.lastChange = null;
  tell();
  desk.redraw();
}

function shift(what, by) {
  const { model } = desk;
  if (!model?.current) return false;
  change(`${what} ${model.selected}`, () => {
    model.current.box = by(model.current.box);
    if (model.current.kind === "pending") desk.corrected();
    desk.view.show(model.current.box);
  });
  return true;
}

function zoom(factor) {
  desk.view.zoom(factor);
  desk.redraw();
}

const acts = {
  next() {
    const { model } = desk;
    if (model?.number === wanted) finish(model);
    const at = passOver(wanted, 1);
    return at < pictures.length ? go(at, 1) : tellTheEnd();
  },
  previous() {
    const at = passOver(wanted, -1);
    if (at >= 0) go(at, -1);
  },
  unseen() {
    if (desk.model?.number === wanted) finish(desk.model);
    const order = [...pictures.keys()].map((_, at) => (wanted + 1 + at) % pictures.length);
    const at = order.find((one) => ["unseen", "begun"].includes(pictures[one].state) && one !== wanted);
    if (at === undefined) return tellTheEnd();
    return go(at, 1);
  },
  negative() {
    const { model } = desk;
    if (!model || review) return;
    if (model.of("box").length) return say("This picture has boxes: delete them first, or leave it as it is.", true);
    change(null, () => {
      model.dropPending();
      Object.assign(model, { negative: true, done: true });
    });
    acts.next();
  },
  create() {
    change(null, (model) => {
      const { view, aspect } = desk;
      const middle = view.toPicture({ x: view.area.width / 2, y: view.area.height / 2 });
      const side = Math.min(view.area.width, view.area.height) / 4 / view.scale;
      const [wide, high] = [side * Math.sqrt(aspect ?? 1), side / Math.sqrt(aspect ?? 1)];
      const from = { x: Math.round(middle.x - wide / 2), y: Math.round(middle.y - high / 2) };
      model.add(boxBetween(from, { x: from.x + wide, y: from.y + high }, model.size, aspect));
    });
    stage.focus();
  },
  remove() {
    const { model } = desk;
    if (!model?.current) return;
    const [{ box, kind }, key] = [model.current, String(model.current.box)];
    if (review && kind === "pending") return say("Enter: a false alarm; O: really the object.");
    const again = review && model.found?.some((one) => String(one) === key);
    change(null, () => {
      model.remove();
      if (again) model.items.push({ box, kind: "pending" });
    });
  },
  object() {
    if (review && desk.model?.current) change(null, (model) => model.setKind(model.selected, "ignored"));
    if (review) selectPending();
  },
  enter: () => (desk.model?.current?.kind === "pending" ? acts.accept() : acts.next()),
  accept() {
    if (desk.model?.current?.kind !== "pending") return acts.acceptAll();
    change(null, (model) => model.setKind(model.selected, "box"));
    selectPending();
  },
  acceptAll() {
    if (desk.model?.of("pending").length) change(null, (model) => model.settle("box"));
  },
  refuseAll() {
    if (!desk.model?.of("pending").length) return;
    change(null, (model) => (review ? model.settle("ignored") : model.dropPending()));
  },
  suggest() {
    if (suggests && desk.model) suggest(desk.model, false);
  },
  undo() { if (desk.model?.undo()) changed(); },
  redo() { if (desk.model?.redo()) changed(); },
  select: () => selectNext(1),
  selectBefore: () => selectNext(-1),
  move: (right, down) => shift("move", (box) => moved(box, right, down, desk.model.size)),
  grow: (right, down) => shift("grow", (box) => grown(box, right, down, desk.model.size, desk.aspect)),
  lock() { byId("lock").click(); },
  zoomIn: () => zoom(1.4),
  zoomOut: () => zoom(1 / 1.4),
  fit() { desk.view.fit(); desk.redraw(); },
  leave() {
    if (desk.model) desk.model.selected = -1;
    pointer.takeBack();
    tell();
    desk.redraw();
  },
  help: openHelp,
};

// The next suggestion that nobody has said anything of.
function selectPending() {
  const { model } = desk;
  model.selected = model.items.findIndex(({ kind }) => kind === "pending");
  if (model.current) desk.view.show(model.current.box);
  tell();
  desk.redraw();
}

function listen() {
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => acts[button.dataset.act]());
  }
  byId("lock").addEventListener("change", () => {
    if (desk.model) desk.model.lastChange = null; // what follows is undone by itself
    desk.redraw();
  });
  document.addEventListener("keydown", (event) => {
    if (anyOpen()) return;
    const control = event.target.closest?.("button, input, a, summary");
    if (control && [" ", "Enter"].includes(event.key)) return; // they press it
    if (event.key === " ") desk.spaceHeld = true;
    if (event.key === " " || press(event, acts)) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") desk.spaceHeld = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (desk.model?.dirty) event.preventDefault();
  });
  window.addEventListener("pagehide", () => desk.model?.dirty && sendLast(desk.model));
  window.addEventListener("hashchange", () => {
    const at = Number(location.hash.slice(1)) - 1;
    if (pictures[at] && at !== wanted) go(at);
  });
  document.addEventListener("visibilitychange", () => document.hidden || lookAgain());
  new ResizeObserver(resize).observe(stage);
}

// Another tab may have worked meanwhile.
async function lookAgain() {
  try {
    pictures = await listPictures();
    strip.show(pictures);
    tellCounts();
    const { model } = desk;
    if (!model || model.dirty || model.saving) return;
    const known = await getPicture(model.number);
    if (desk.model !== model || model.dirty || known.revision === model.revision) return;
    model.take(known);
    tell();
    desk.redraw();
    say("Changed in another window.");
  } catch (error) {
    say(error.message, true);
  }
}

function resize() {
  const { view } = desk;
  const { fitted } = view;
  const { clientWidth: width, clientHeight: height } = stage;
  const ratio = window.devicePixelRatio || 1;
  view.area = { width, height };
  Object.assign(context.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  if (fitted || !desk.model) view.fit();
  else view.keep();
  draw();
}

async function start() {
  pictures = await listPictures();
  listen();
  resize();
  strip.show(pictures);
  const named = Number(location.hash.slice(1)) - 1;
  const open = pictures.findIndex(({ state }) => ["unseen", "begun"].includes(state));
  stage.focus();
  await go(pictures[named] ? named : Math.max(0, open), 1);
}

start().catch((error) => say(error.message, true));
