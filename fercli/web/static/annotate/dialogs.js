// What is asked and told in front of the page.

import { paintSmall } from "./drawing.js";
import { overlap } from "./geometry.js";
import { itemsOf } from "./model.js";
import { byId, count, plural } from "./labels.js";

const SAME = 0.9; // intersection over union of two boxes that are taken for one

export const anyOpen = () => Boolean(document.querySelector("dialog[open]"));

export function openHelp() {
  if (!anyOpen()) byId("help").showModal();
}

// Show what there is of all images; resolves with what to do: "unfinished" or "".
export function tellEnd(images, words) {
  const counts = count(images);
  byId("end-counts").textContent =
    `${counts.finished} of ${plural(counts.total, "image", "images")} finished: `
    + `${words.state("done", counts.boxes)}, ${counts.negative} with ${words.state("negative", 0)}; ${counts.left} left.`;
  const unreadable = images.filter(({ state }) => state === "unreadable");
  byId("end-unreadable").hidden = !unreadable.length;
  byId("end-names").replaceChildren(...unreadable.map(({ name }) => {
    const item = document.createElement("li");
    item.textContent = name;
    return item;
  }));
  byId("end-unfinished").hidden = !counts.left;
  return answerOf(byId("end"));
}

// Show both versions of an image; resolves with "mine", "theirs" or "both".
export async function askWhich(model, theirs, image, mode) {
  const mine = model.items.filter(({ kind }) => kind !== "pending");
  show("mine", mine, model.negative, image, model.size, mode);
  show("theirs", itemsOf(theirs), theirs.negative, image, model.size, mode);
  byId("conflict-name").textContent = model.name;
  let answer = "";
  while (!answer) answer = await answerOf(byId("conflict")); // Escape decides nothing
  return answer;
}

// What both versions say together.
export function joined(model, theirs) {
  const items = model.items.filter(({ kind }) => kind !== "pending");
  const fresh = itemsOf(theirs).filter(({ box }) => !items.some((item) => overlap(item.box, box) > SAME));
  return [...model.items, ...fresh];
}

function show(which, items, negative, image, size, mode) {
  paintSmall(byId(`${which}-canvas`), image, size, items, mode);
  byId(`${which}-words`).textContent = negative ? "no object" : plural(items.length, "box");
}

function answerOf(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((take) => dialog.addEventListener("close", () => take(dialog.returnValue), { once: true }));
}
