// The list of the boxes of the image that is shown: select, class, difficult, ignore, delete; sizes.

import { colorOf } from "./drawing.js";
import { byId } from "./labels.js";
import { DIFFICULT, IGNORED, isShown, Model } from "./model.js";
import { mode, reasons, review, session, stage, watchTell, words } from "./state.js";

export const listens = {}; // what the rows do, by name: pick, label, mark, accept, remove

let shape = ""; // what the rows are of, but for the numbers in them

export function toggleList() {
  const list = byId("list");
  list.hidden = !list.hidden;
  document.querySelector("[data-act=list]").ariaPressed = String(!list.hidden);
  tellList();
}

function tellList() {
  if (byId("list").hidden) return;
  const { items = [], selected = -1 } = session.model ?? {};
  const shown = [...items.keys()].filter((at) => isShown(items[at]));
  byId("list-none").hidden = shown.length > 0;
  const now = JSON.stringify([session.model?.number, shown, shown.map((at) => [items[at].kind, items[at].label, items[at].reason])]);
  if (now !== shape) rebuild(shown, items);
  shape = now;
  shown.forEach((at, place) => {
    const pick = byId("list-rows").children[place].querySelector(".pick");
    const [x, y, width, height] = items[at].box;
    pick.lastElementChild.textContent = `${width} × ${height}`;
    pick.title = `${nameOf(items[at], place)}: ${width} × ${height} at ${x}, ${y}`;
    pick.ariaPressed = String(at === selected);
  });
}

const nameOf = (item, place) => `${words.kind(item)} ${place + 1}`;

// Make the rows anew; who had the focus keeps it.
function rebuild(shown, items) {
  const { key } = document.activeElement.dataset;
  const held = byId("list").contains(document.activeElement);
  byId("list-rows").replaceChildren(...shown.map((at, place) => row(at, place, items[at])));
  if (held) (byId("list-rows").querySelector(`[data-key="${key}"]`) ?? stage).focus();
}

function row(at, place, item) {
  const line = document.createElement("li");
  const name = nameOf(item, place);
  line.className = item.kind;
  const pick = control("button", `pick-${place}`, "", () => listens.pick(at));
  pick.className = "plain pick";
  const swatch = document.createElement("i");
  swatch.style.background = colorOf(item, mode);
  pick.append(swatch, ` ${place + 1}: `, document.createElement("span"));
  line.append(pick);
  if (Model.classes.length && item.kind !== "pending") line.append(classes(at, place, item));
  if (item.kind === "pending") line.append(small(`accept-${place}`, "✓", `Accept ${name}`, () => listens.accept(at)));
  else if (!review) line.append(...MARKS.filter(({ reason }) => reasons & reason).map((one) => check(at, place, item, one)));
  line.append(small(`remove-${place}`, "×", `Delete ${name}`, () => listens.remove(at)));
  return line;
}

function control(tag, key, label, act) {
  const made = document.createElement(tag);
  if (tag === "button") made.type = "button";
  made.dataset.key = key;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener(tag === "button" ? "click" : "change", act);
  return made;
}

function small(key, text, label, act) {
  const made = control("button", key, label, act);
  Object.assign(made, { className: "plain", textContent: text, title: label });
  return made;
}

function classes(at, place, { label }) {
  const made = control("select", `class-${place}`, `Class of box ${place + 1}`, ({ target }) => listens.label(at, target.value));
  made.append(...Model.classes.map((name) => new Option(name, name, false, name === label)));
  return made;
}

const MARKS = [
  { reason: DIFFICULT, name: "difficult", title: "Hard to recognize: not counted, and not trained on (E)" },
  { reason: IGNORED, name: "ignore", title: "Not counted, and not trained on: a crowd, a picture on a wall … (I)" },
];

function check(at, place, { kind, reason: given = IGNORED }, { reason, name, title }) {
  const label = document.createElement("label");
  label.title = title;
  const box = control("input", `${name}-${place}`, "", () => listens.mark(at, reason));
  Object.assign(box, { type: "checkbox", checked: kind === "ignored" && given & reason, autocomplete: "off" });
  label.append(box, ` ${name}`);
  return label;
}

watchTell.push(tellList);
