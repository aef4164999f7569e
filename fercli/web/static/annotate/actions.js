// What keys and buttons do.

import { reasons, session, review, say, stage, tell } from "./state.js";
import { openHelp } from "./dialogs.js";
import { boxBetween, grown, moved } from "./geometry.js";
import { changed } from "./saving.js";
import { acceptFrames, copyPrevious, next, nextOpen, pointer, previous, suggest } from "./navigation.js";
import { cancel, train } from "./training.js";
import { listens, toggleList } from "./list.js";
import { byId } from "./labels.js";
import { DIFFICULT, IGNORED, isShown, Model } from "./model.js";

// An act on what is selected, remembered to be undone.
function change(what, act) {
  const { model } = session;
  if (!model) return;
  model.remember(what);
  act(model);
  changed();
}

// Select an item by its number, none for -1, and bring it into sight.
function select(at) {
  const { model, view } = session;
  model.selected = at;
  model.lastChange = null;
  if (model.current) view.show(model.current.box);
  tell();
  session.redraw();
}

function selectNext(step) {
  const { selected, items } = session.model ?? { items: [] };
  const shown = [...items.keys()].filter((at) => isShown(items[at]));
  if (!shown.length) return;
  if (selected < 0) select(shown.at(step > 0 ? 0 : -1));
  else select(shown[(shown.indexOf(selected) + step + shown.length) % shown.length]);
}

// Select the next suggestion that nobody has said anything of.
const selectPending = () => select(session.model.items.findIndex((item) => item.kind === "pending" && isShown(item)));

// Move or resize what is selected; a suggestion that is corrected is accepted.
function shift(what, by) {
  const { model } = session;
  if (!model?.current) return false;
  change(`${what} ${model.selected}`, () => {
    model.current.box = by(model.current.box);
    if (model.current.kind === "pending") session.corrected();
    session.view.show(model.current.box);
  });
  return true;
}

function zoom(factor) {
  session.view.zoom(factor);
  session.redraw();
}

// Say of a box that it counts neither way, and is not trained on; or take that back.
function mark(reason, at = session.model?.selected ?? -1) {
  const item = session.model?.items[at];
  if (review || !item || item.kind === "pending") return;
  if (!(reasons & reason)) {
    const [what, formats] = reason === IGNORED ? ["to be ignored", "CSV, COCO"] : ["difficult", "CSV, COCO, VOC"];
    return say(`This format has no place for boxes that are ${what}: use ${formats} or dlib.`, true);
  }
  change(null, (model) => model.mark(at, reason));
}

// A new box in the middle of what is seen.
function newBox() {
  const { view, aspect, model } = session;
  const middle = view.toImage({ x: view.area.width / 2, y: view.area.height / 2 });
  const side = Math.min(view.area.width, view.area.height) / 4 / view.scale;
  const [wide, high] = [side * Math.sqrt(aspect ?? 1), side / Math.sqrt(aspect ?? 1)];
  const from = { x: Math.round(middle.x - wide / 2), y: Math.round(middle.y - high / 2) };
  return boxBetween(from, { x: from.x + wide, y: from.y + high }, model.size, aspect);
}

// In a review a detection cannot be deleted: what was said of it is taken back.
function remove(model) {
  const { box } = model.current;
  const found = review && model.found?.find((one) => String(one.box) === String(box));
  model.remove();
  if (found) model.items.push({ ...found, kind: "pending" });
}

export const actions = {
  next,
  previous,
  unseen: nextOpen,
  negative() {
    const { model } = session;
    if (!model || review) return;
    if (model.of("box").length || model.of("ignored").length) return say("This image has boxes: delete them first.", true);
    change(null, () => {
      model.dropPending();
      Object.assign(model, { negative: true, done: true });
    });
    next();
  },
  // Choose a class by its number: that of the selected box, or of the next ones.
  label(at) {
    const name = Model.classes[at];
    if (!name) return false;
    if (session.model?.current) change(null, (model) => { model.current.label = name; });
    Model.label = name;
    tell();
    return true;
  },
  draw() {
    session.drawing = !session.drawing;
    const button = document.querySelector("[data-act=draw]");
    button.ariaPressed = String(session.drawing);
    stage.focus();
  },
  duplicate() {
    if (!session.model?.current) return;
    const [x, y, width, height] = session.model.current.box;
    const step = Math.max(4, Math.round(Math.min(width, height) / 4));
    const { label } = session.model.current;
    change(null, (model) => model.add(moved([x, y, width, height], step, step, model.size), "box", label));
  },
  async copyPrevious() {
    if (review || !session.model) return;
    const boxes = await copyPrevious();
    if (!boxes.length) return say("There is no box to copy from the previous image.");
    change(null, (model) => boxes.forEach(({ box, label }) => model.add(box, "box", label)));
  },
  jump() {
    byId("jump").focus();
    byId("jump").select();
  },
  create() {
    change(null, (model) => model.add(newBox()));
    stage.focus();
  },
  remove() {
    const { current } = session.model ?? {};
    if (review && current?.kind === "pending") return say("Enter: a false alarm; O: really the object.");
    if (current) change(null, remove);
  },
  object() {
    if (!review || !session.model?.current) return;
    change(null, (model) => model.setKind(model.selected, "ignored"));
    selectPending();
  },
  ignore: () => mark(IGNORED),
  difficult: () => mark(DIFFICULT),
  pick: select,
  list: toggleList,
  enter: () => (session.model?.current?.kind === "pending" ? actions.accept() : next()),
  accept() {
    if (session.model?.current?.kind !== "pending") return actions.acceptAll();
    change(null, (model) => model.setKind(model.selected, "box"));
    selectPending();
  },
  acceptAll() {
    if (session.model?.of("pending").length) change(null, (model) => model.settle("box"));
  },
  acceptNext() {
    if (review || session.model?.coming) return;
    actions.acceptAll();
    next();
  },
  acceptFrames: () => acceptFrames().catch((error) => say(error.message, true)),
  refuseAll() {
    if (!session.model?.of("pending").length) return;
    change(null, (model) => (review ? model.settle("ignored") : model.dropPending()));
  },
  suggest() {
    if (session.suggests && session.model) suggest(session.model, true);
  },
  train,
  cancelTraining: cancel,
  undo() { if (session.model?.undo()) changed(); },
  redo() { if (session.model?.redo()) changed(); },
  select: () => selectNext(1),
  selectBefore: () => selectNext(-1),
  move: (right, down) => shift("move", (box) => moved(box, right, down, session.model.size)),
  grow: (right, down) => shift("grow", (box) => grown(box, right, down, session.model.size, session.aspect)),
  lock() { byId("lock").click(); },
  zoomIn: () => zoom(1.4),
  zoomOut: () => zoom(1 / 1.4),
  fit() { session.view.fit(); session.redraw(); },
  leave() {
    pointer.takeBack();
    if (session.drawing) actions.draw();
    if (session.model) select(-1);
  },
  help: openHelp,
};

// What the rows of the list do to the box with their number.
Object.assign(listens, {
  pick: actions.pick,
  mark: (at, reason) => mark(reason, at),
  label(at, name) { change(null, (model) => { model.items[at].label = name; }); },
  accept(at) { change(null, (model) => model.setKind(at, "box")); },
  remove(at) {
    session.model.selected = at;
    actions.remove();
  },
});
