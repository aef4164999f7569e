// The way from one image to the next.

import { session, review, say, stage, tell, tellCounts, tracks, words } from "./state.js";
import { tellEnd } from "./dialogs.js";
import { inImage, overlap } from "./geometry.js";
import { itemsOf, Model } from "./model.js";
import { Pointer } from "./pointer.js";
import { allIsKept, saver, watchers } from "./saving.js";
import { getImage, getSuggestions, imageAddress, listImages } from "./server.js";
import { seen } from "./threshold.js";
import { Strip } from "./thumbnails.js";
import { byId, plural } from "./labels.js";

const strip = new Strip(byId("strip"), (at) => go(at), words.state, look);
watchers.push((number) => strip.update(number));

export const pointer = new Pointer(stage, session);

const SAME = 0.9; // intersection over union of two boxes that are taken for one
const models = new Map(); // what was done to images can be undone when they are shown again
let visit = 0;

const isOpen = ({ state }) => ["unseen", "begun"].includes(state);

// Show an image. Unreadable ones on the way (`step` 1 or -1) are passed over.
export async function go(number, step = 0) {
  if (pointer.busy || !(await allIsKept())) return;
  const mine = ++visit;
  session.wanted = number;
  try {
    const [known, image] = await load(number);
    if (mine !== visit) return;
    const from = session.model?.number ?? number;
    show(known, image);
    const between = step > 0 ? [from + 1, number] : [number + 1, from];
    tellPassed(step ? session.images.slice(...between) : []);
  } catch (error) {
    if (mine !== visit) return;
    if (error.status === 422) markUnreadable(number, error);
    if (error.status !== 422 || !step) return showNothing(number, error);
    return passBy(number, step, error);
  }
}

export function next() {
  finish();
  const at = passOver(session.wanted, 1);
  return at < session.images.length ? go(at, 1) : tellTheEnd();
}

export function previous() {
  const at = passOver(session.wanted, -1);
  if (at >= 0) go(at, -1);
}

// The boxes of the previous image that are not here yet, moved into this one.
export async function copyPrevious() {
  const { model } = session;
  if (!model.number) return [];
  const before = itemsOf(await getImage(model.number - 1));
  if (session.model !== model) return [];
  return before.filter(({ kind }) => kind === "box").map(({ box, label }) => ({ box: inImage(box, model.size), label }))
    .filter(({ box }) => !model.items.some((item) => overlap(item.box, box) > SAME));
}

// Go to the next image that is not finished, from the first on after the last.
export async function nextOpen() {
  finish();
  if (!(await allIsKept())) return;
  const { images, wanted } = session;
  const order = [...images.keys()].map((at) => (wanted + 1 + at) % images.length);
  const at = order.find((one) => isOpen(images[one]) && one !== wanted);
  return at === undefined ? tellTheEnd() : go(at, 1);
}

// What "next" says of an image: these are all its boxes.
function finish() {
  const { model, wanted } = session;
  if (model?.number !== wanted) return;
  const boxes = model.of("box").length;
  if (!review) {
    model.done = model.holds || model.negative;
  } else if (model.found && !model.of("pending").length) {
    Object.assign(model, { done: true, negative: !boxes });
  }
}

async function tellTheEnd() {
  if (!(await allIsKept())) return;
  if ((await tellEnd(session.images, words)) === "unfinished") nextOpen();
}

function tellPassed(passed) {
  const [first, ...others] = passed.filter(({ state }) => state === "unreadable");
  const more = others.length ? `, and ${others.length} more` : "";
  say(first ? `Passed over ${first.name}: ${first.reason ?? "cannot be read"}${more}` : "", Boolean(first));
}

// Go on from an image that cannot be read; where there is no other, the one before stays.
async function passBy(number, step, error) {
  const at = passOver(number, step);
  if (session.images[at]) return go(at, step);
  if (!session.model) return showNothing(number, error);
  session.wanted = session.model.number;
  if (step > 0) tellTheEnd();
}

function passOver(number, step) {
  let at = number + step;
  while (session.images[at]?.state === "unreadable") at += step;
  return at;
}

function markUnreadable(number, error) {
  Object.assign(session.images[number], { state: "unreadable", reason: error.message });
  strip.update(number);
  tellCounts();
}

// A small image was not to be had: because the image cannot be read?
async function look(number) {
  try {
    await getImage(number);
  } catch (error) {
    if (error.status === 422) markUnreadable(number, error);
  }
}

async function load(number) {
  const known = await getImage(number);
  const image = new Image();
  image.src = imageAddress(number);
  await image.decode();
  return [known, image];
}

function modelOf(known) {
  const before = models.get(known.number);
  const model = before?.revision === known.revision ? before : new Model(known);
  models.set(known.number, model);
  return model;
}

function show(known, image) {
  const { number, state, boxes } = known;
  const model = modelOf(known);
  Object.assign(session.images[number], { state, boxes: boxes.length });
  Object.assign(session, { image, model });
  session.view.size = model.size;
  session.view.fit();
  arrive(number);
  if (tracks && isOpen(known)) model.forgetSuggestions(); // the frames around may have boxes by now
  suggestAgain();
  prepare(passOver(number, 1));
}

function showNothing(number, error) {
  Object.assign(session, { image: null, model: null });
  arrive(number);
  say(`${session.images[number].name}: ${error.message}`, true);
}

function arrive(number) {
  history.replaceState(null, "", `#${number + 1}`);
  stage.classList.toggle("empty", !session.model);
  strip.select(number);
  tellCounts();
  tell();
  session.redraw();
}

// Let the server and the browser have the next image ready.
async function prepare(number) {
  if (!session.images[number]) return;
  try {
    await load(number);
    if (session.suggests) await getSuggestions(number);
  } catch (error) {
    if (error.status === 422) markUnreadable(number, error);
  }
}

// Let cascades suggest in the present image if nobody has finished it.
export function suggestAgain() {
  const { model, images } = session;
  if (session.suggests && model && (review || isOpen(images[model.number])) && !model.askedFor) suggest(model);
}

// Add what the cascades find; say so if someone asked.
export async function suggest(model, asked = false) {
  Object.assign(model, { askedFor: true, coming: true });
  tell();
  try {
    const found = await getSuggestions(model.number);
    if (!model.askedFor) return; // forgotten meanwhile: others come
    if (!model.found) model.judged = !model.items.length && !model.done && !model.negative;
    if (found.some(({ cascade }) => cascade === null)) model.judged = false; // it is not the cascade that is judged
    model.found = found;
    for (const one of found) seen(one);
    const fresh = model.suggest(found);
    if (session.model === model && asked) say(fresh ? "" : "Nothing more was found.");
  } catch (error) {
    model.askedFor = false;
    if (session.model === model) say(error.message, true);
  } finally {
    model.coming = false;
    if (session.model === model) {
      tell();
      session.redraw();
    }
  }
}

// Accept what is suggested in all frames between the two finished ones around this one. All are looked
// at before the first is finished, so that none is followed from another.
export async function acceptFrames() {
  const { images, wanted } = session;
  if (!tracks || !session.model || !(await allIsKept())) return;
  const open = (at) => images[at] && isOpen(images[at]);
  let [first, last] = [wanted, wanted];
  while (open(first - 1)) first -= 1;
  while (open(last + 1)) last += 1;
  if (!open(wanted) || !images[first - 1] || !images[last + 1]) {
    return say("This is for unfinished frames between two finished ones.", true);
  }
  const frames = [];
  for (let at = first; at <= last; at += 1) {
    say(`Suggestions of frame ${at - first + 1} of ${last - first + 1} …`);
    const model = modelOf(await getImage(at));
    model.suggest(await getSuggestions(at));
    if (model.of("pending").length) frames.push(model);
  }
  for (const model of frames) {
    model.remember();
    model.settle("box");
    model.done = true;
    await saver.now(model);
  }
  const left = last - first + 1 - frames.length;
  say(`${plural(frames.length, "frame", "frames")} finished${left ? `; ${left} without a suggestion` : ""}.`);
  session.redraw();
}

// Forget all suggestions, since a new cascade is there.
export function forgetSuggestions() {
  for (const model of models.values()) model.forgetSuggestions();
  suggestAgain();
  tell();
  session.redraw();
}

// Another window may have worked meanwhile.
export async function lookAgain() {
  try {
    await list();
    tellCounts();
    const { model } = session;
    if (!model || model.dirty || model.saving) return;
    const known = await getImage(model.number);
    if (session.model !== model || model.dirty || known.revision === model.revision) return;
    model.take(known);
    tell();
    session.redraw();
    say("Changed in another window.");
  } catch (error) {
    say(error.message, true);
  }
}

async function list() {
  const reasons = new Map(session.images.map(({ name, reason }) => [name, reason]));
  session.images = (await listImages()).map((one) => ({ ...one, reason: reasons.get(one.name) }));
  strip.show(session.images);
}

// Show only small images of one state, or all for "".
export function filter(state) {
  strip.filter(state);
  strip.select(session.wanted);
}

// Show the image that the address names, or the first that is not finished.
export async function begin() {
  await list();
  const named = Number(location.hash.slice(1)) - 1;
  const open = Math.max(0, session.images.findIndex(isOpen));
  await go(session.images[named] ? named : open, 1);
}
