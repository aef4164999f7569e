// What is said of one image, with all that was done to it, to be undone.
//
// An item is {box, kind}: "box", "pending" (suggested, and nobody has said anything of it yet) or
// "ignored" (not counted, for a reason; in a review, really the object). A suggestion has the score, the round and
// the cascade (its class, "") that it is of, and is shown from a score on; null: it was followed
// through a video.

import { overlap } from "./geometry.js";

const copy = (items) => items.map((item) => ({ ...item, box: [...item.box] }));

// Whether an item is to be seen: suggestions of low scores are not.
export const isShown = ({ kind, score, cascade }) => kind !== "pending" || score >= (Model.thresholds[cascade] ?? 0);

// Why a box is not counted: one of these, or the sum.
export const [IGNORED, DIFFICULT] = [1, 2];

// The items of an image as the server has it.
export const itemsOf = ({ boxes, ignored, labels, ignored_labels: others, reasons }) => [
  ...boxes.map((box, at) => ({ box, kind: "box", label: labels[at] })),
  ...ignored.map((box, at) => ({ box, kind: "ignored", label: others[at], reason: reasons[at] })),
];

const versionOf = ({ boxes, ignored, negative, done, labels, ignored_labels: others, reasons }) =>
  JSON.stringify([boxes, ignored, negative, done, labels, others, reasons]);

export class Model {
  static classes = []; // of boxes, where there are several
  static label = undefined; // the class of new ones
  static thresholds = {}; // from which score on suggestions of a cascade are shown
  static review = false; // of false alarms
  static rounds = []; // the numbers of the trainings whose cascades suggest
  past = [];
  future = [];
  selected = -1;
  askedFor = false; // suggestions
  found = null; // what was suggested, once that is known
  judged = false; // whether nothing but suggestions was there at first
  suggested = null; // what of it was shown until the image was finished, by the number of the round

  constructor(known) {
    this.number = known.number;
    this.name = known.name;
    this.size = { width: known.width, height: known.height };
    this.take(known);
  }

  // Show what the server has; the image's past ends here.
  take(known) {
    const pending = (this.items ?? []).filter(({ kind }) => kind === "pending");
    this.items = itemsOf(known);
    this.suggest(pending);
    this.negative = known.negative;
    this.done = known.state !== "unseen" && known.done;
    this.accepted({ ...known, done: this.done });
    this.selected = -1;
    this.past = [];
    this.future = [];
  }

  // The server has what was sent, or another version that has been looked at.
  accepted(known) {
    this.revision = known.revision;
    this.state = known.state;
    this.saved = versionOf(known);
  }

  of(kind) { return this.items.filter((item) => item.kind === kind && isShown(item)).map(({ box }) => box); }

  // Whether there is a box; in a review, one that is really the object is none.
  get holds() { return this.of("box").length > 0 || (!this.negative && !Model.review && this.of("ignored").length > 0); }

  get dirty() { return versionOf(this.body) !== this.saved; }

  get body() {
    const { name, revision, negative, done } = this;
    return {
      name, revision, negative, done, boxes: this.of("box"), ignored: this.of("ignored"),
      labels: this.labelsOf("box"), ignored_labels: this.labelsOf("ignored"),
      reasons: this.items.filter(({ kind }) => kind === "ignored").map(({ reason = IGNORED }) => reason), ...this.said,
    };
  }

  // What was suggested in an image that is finished: the server counts what had to be corrected.
  get said() {
    if (!this.judged || !(this.done || this.negative)) return {};
    if (!this.suggested) {
      this.suggested = {};
      for (const { box, round, ...one } of this.found ?? []) {
        if (round) (this.suggested[round] ??= []).push(...(isShown({ kind: "pending", ...one }) ? [box] : []));
      }
      for (const round of Model.rounds) this.suggested[round] ??= [];
    }
    return { suggested: this.suggested };
  }

  labelsOf(kind) {
    if (!Model.classes.length) return [];
    return this.items.filter((item) => item.kind === kind).map(({ label }) => label ?? Model.classes[0]);
  }

  get current() { return this.items[this.selected]; }

  // Remember how things are before a change, unless the same kind of change goes on.
  remember(what = null) {
    if (what && what === this.lastChange) return;
    this.lastChange = what;
    this.past.push(this.snapshot());
    this.future = [];
  }

  snapshot() { return { items: copy(this.items), negative: this.negative, selected: this.selected }; }

  undo() { return this.step(this.past, this.future); }

  redo() { return this.step(this.future, this.past); }

  step(from, to) {
    if (!from.length) return false;
    to.push(this.snapshot());
    Object.assign(this, from.pop());
    this.lastChange = null;
    return true;
  }

  add(box, kind = "box", label = Model.label) {
    this.items.push({ box, kind, label });
    this.selected = this.items.length - 1;
    this.negative = false;
  }

  remove(at = this.selected) {
    this.items.splice(at, 1);
    this.selected = -1;
  }

  // Add what cascades found, less what is there already; a part of the past as well.
  suggest(found) {
    const fresh = found.filter(({ box }) => !this.items.some((item) => overlap(item.box, box) > 0.5));
    const items = fresh.map((one) => ({ ...one, kind: "pending", label: one.label ?? Model.label }));
    for (const one of [this, ...this.past, ...this.future]) one.items.push(...copy(items));
    return items.filter(isShown).length;
  }

  // Forget all suggestions: others will come.
  forgetSuggestions() {
    const kept = this.current?.kind === "pending" ? null : this.current;
    for (const one of [this, ...this.past, ...this.future]) {
      one.items = one.items.filter(({ kind }) => kind !== "pending");
      one.selected = -1;
    }
    this.selected = kept ? this.items.indexOf(kept) : -1;
    Object.assign(this, { askedFor: false, found: null });
  }

  setKind(at, kind) {
    this.items[at].kind = kind;
    if (kind === "box") this.negative = false;
  }

  // Mark a box with a reason not to count it, or take that back.
  mark(at, reason) {
    const item = this.items[at];
    item.reason = (item.kind === "ignored" ? item.reason ?? IGNORED : 0) ^ reason;
    this.setKind(at, item.reason ? "ignored" : "box");
  }

  settle(kind) {
    this.items.forEach((item, at) => item.kind === "pending" && isShown(item) && this.setKind(at, kind));
  }

  dropPending() {
    const before = this.items.length;
    const kept = this.current?.kind === "pending" ? null : this.current;
    this.items = this.items.filter((item) => item.kind !== "pending" || !isShown(item));
    this.selected = kept ? this.items.indexOf(kept) : -1;
    return before - this.items.length;
  }
}
