// After each change all is saved in a moment; two versions of an image are shown to whom they belong.

import { session, mode, say, tell, tellCounts } from "./state.js";
import { askWhich, joined } from "./dialogs.js";
import { itemsOf } from "./model.js";
import { Saver } from "./server.js";
import { byId } from "./labels.js";

export const saver = new Saver({ onSaved, onTrouble, onConflict });

// Called once an image's state has changed.
export const watchers = [];

export function changed() {
  const { model } = session;
  if (!model.holds && !model.negative) model.done = false; // what has no box is not finished
  tell();
  session.redraw();
  saver.soon(model);
}

// Whether all that was said of the present image is kept.
export async function allIsKept() {
  if (!session.model) return true;
  try {
    await saver.now(session.model);
    return true;
  } catch {
    return false;
  }
}

function note(number, state, boxes) {
  Object.assign(session.images[number], { state, boxes });
  for (const watch of watchers) watch(number);
  tellCounts();
  tell();
}

function onSaved(model) {
  if (byId("status").classList.contains("trouble")) say("");
  note(model.number, model.state, model.of("box").length);
}

function onTrouble(model, error) {
  say(`Not saved: ${error.message}. The boxes are kept in this page.`, true);
}

async function onConflict(model, current) {
  const answer = await askWhich(model, current, session.image, mode);
  model.remember(); // what is dropped can be had back
  if (answer === "theirs") model.items = itemsOf(current);
  if (answer === "both") model.items = joined(model, current);
  if (answer !== "mine") {
    const negative = current.negative && !model.of("box").length;
    Object.assign(model, { negative, done: current.done, selected: -1 });
  }
  model.accepted(current);
  note(model.number, current.state, current.boxes.length);
  session.redraw();
}
