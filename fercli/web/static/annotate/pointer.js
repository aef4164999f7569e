// Mouse, pen and fingers on the stage. One draws, moves and resizes; two fingers zoom and pan; the
// right or middle button, or the space bar held, pans; the wheel zooms.

import { boxBetween, contains, handlesOf, moved, resized } from "./geometry.js";
import { isShown } from "./model.js";

const CLICK = 4; // a drag that is shorter, in pixels of the screen, is a click
const REACH = { mouse: 9, pen: 12, touch: 22 }; // how near a handle is touched, in pixels of the screen

export class Pointer {
  // `session` has view, model, aspect, changed(what), redraw(), drawn(at), and holds what is shown.
  constructor(stage, session) {
    this.stage = stage;
    this.session = session;
    this.fingers = new Map();
    this.drag = null;
    const on = (name, act, options) => stage.addEventListener(name, act, options);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.cancel(event));
    on("lostpointercapture", (event) => this.cancel(event)); // after "pointerup" there is nothing to cancel
    on("pointerleave", () => { this.session.cross = null; this.session.redraw(); });
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", (event) => this.wheel(event), { passive: false });
  }

  at({ clientX, clientY }) {
    const { left, top } = this.stage.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  down(event) {
    const { session } = this;
    if (!session.model) return;
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.fingers.set(event.pointerId, at);
    if (this.fingers.size === 2) return this.pinch();
    if (this.fingers.size > 2) return;
    if (event.button > 0 || session.spaceHeld) this.drag = { kind: "pan", at };
    else this.drag = this.begin(at, event);
    session.redraw();
  }

  // What a press at a point begins.
  begin(at, event) {
    const { session } = this;
    const { model, view } = session;
    const point = view.toImage(at);
    const before = model.snapshot();
    const drawing = event.shiftKey || session.drawing;
    const handle = model.current && !drawing ? this.handleAt(at, event.pointerType) : null;
    if (handle) return { kind: "resize", handle, at, before, box: model.current.box };
    const hit = drawing ? -1 : this.itemAt(point);
    if (hit >= 0) {
      model.selected = hit;
      session.told();
      return { kind: "move", at, point, before, box: model.items[hit].box };
    }
    model.selected = -1;
    session.told();
    return { kind: "draw", at, point: { x: Math.round(point.x), y: Math.round(point.y) }, before };
  }

  handleAt(at, type) {
    const { model, view, aspect } = this.session;
    const reach = REACH[type] ?? REACH.mouse;
    const near = handlesOf(model.current.box, !aspect)
      .map((handle) => ({ handle, far: Math.hypot(view.toScreen(handle).x - at.x, view.toScreen(handle).y - at.y) }))
      .filter(({ far, handle }) => far <= this.reachOf(handle, reach))
      .sort((one, other) => one.far - other.far);
    return near[0]?.handle.name ?? null;
  }

  // Small boxes keep some inside to be moved by.
  reachOf(handle, reach) {
    const { model, view } = this.session;
    const side = Math.min(model.current.box[2], model.current.box[3]) * view.scale;
    return handle.name.length === 1 ? Math.min(reach, side / 6) : Math.min(reach, Math.max(side / 3, 7));
  }

  // The smallest item under a point, the selected one first.
  itemAt(point) {
    const { model, view } = this.session;
    const slack = 3 / view.scale;
    const under = model.items.map((_, at) => at).filter((at) => isShown(model.items[at]) && contains(model.items[at].box, point, slack));
    const area = (at) => (at === model.selected ? 0 : model.items[at].box[2] * model.items[at].box[3]);
    return under.sort((one, other) => area(one) - area(other))[0] ?? -1;
  }

  move(event) {
    const { session } = this;
    if (!session.model) return;
    const at = this.at(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at);
    if (this.fingers.size === 2) this.spread();
    else if (this.drag) this.pull(at);
    session.cross = event.pointerType === "mouse" && this.drag?.kind !== "pan" && this.drag?.kind !== "move" ? at : null;
    this.stage.style.cursor = this.cursor(at, event);
    session.redraw();
  }

  cursor(at, event) {
    const { model, view, spaceHeld } = this.session;
    if (spaceHeld || this.drag?.kind === "pan") return "grab";
    if (event.shiftKey || this.session.drawing) return "crosshair";
    const handle = model.current && this.handleAt(at, event.pointerType);
    if (handle) return `${handle}-resize`;
    return this.itemAt(view.toImage(at)) >= 0 ? "move" : "crosshair";
  }

  pull(at) {
    const { session, drag } = this;
    const { model, view, aspect } = session;
    if (drag.kind === "pan") {
      view.pan(at.x - drag.at.x, at.y - drag.at.y);
      drag.at = at;
      return;
    }
    if (!drag.moved && Math.hypot(at.x - drag.at.x, at.y - drag.at.y) < CLICK) return;
    if (!drag.moved) this.start(drag);
    const point = view.toImage(at);
    const { current, size } = model;
    if (!current) return; // undone meanwhile
    if (drag.kind === "move") current.box = moved(drag.box, Math.round(point.x - drag.point.x), Math.round(point.y - drag.point.y), size);
    else if (drag.kind === "resize") current.box = resized(drag.box, drag.handle, point, size, aspect);
    else current.box = boxBetween(drag.point, { x: Math.round(point.x), y: Math.round(point.y) }, size, aspect);
    session.told();
  }

  // The first step of a drag that is no click.
  start(drag) {
    const { model } = this.session;
    drag.moved = true;
    model.past.push(drag.before);
    model.future = [];
    model.lastChange = null;
    if (drag.kind === "draw") {
      drag.point = { x: Math.min(Math.max(drag.point.x, 0), model.size.width), y: Math.min(Math.max(drag.point.y, 0), model.size.height) };
      model.add([0, 0, 1, 1]);
    }
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    if (this.drag?.kind === "draw" && this.drag.moved && this.isNothing()) this.takeBack();
    const { drag, session } = this;
    this.drag = null;
    if (!drag || !session.model) return;
    // In draw mode a click selects, since a press cannot.
    if (drag.kind === "draw" && !drag.moved && session.drawing) session.model.selected = this.itemAt(session.view.toImage(drag.at));
    if (drag.moved && session.model.current?.kind === "pending") session.corrected();
    if (drag.moved) session.changed();
    else session.told();
    session.redraw();
  }

  // A box that was drawn to no size is none.
  isNothing() {
    const { model, view } = this.session;
    return !model.current || Math.max(model.current.box[2], model.current.box[3]) * view.scale < CLICK;
  }

  // A second finger, or the system, takes what the first began back.
  cancel(event) {
    this.fingers.delete(event.pointerId);
    this.takeBack();
  }

  takeBack() {
    const { drag, session } = this;
    this.drag = null;
    if (drag?.moved) {
      Object.assign(session.model, session.model.past.pop());
      session.told();
      session.redraw();
    }
  }

  get busy() { return Boolean(this.drag?.moved) || this.fingers.size > 1; }

  pinch() {
    this.takeBack();
    this.before = this.between();
  }

  between() {
    const [one, other] = [...this.fingers.values()];
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, far: Math.hypot(one.x - other.x, one.y - other.y) };
  }

  spread() {
    const now = this.between();
    const { view } = this.session;
    view.pan(now.x - this.before.x, now.y - this.before.y);
    view.zoom(now.far / Math.max(this.before.far, 1), now);
    this.before = now;
  }

  wheel(event) {
    event.preventDefault();
    const { session } = this;
    if (!session.model) return;
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) session.view.pan(-event.deltaY * unit - event.deltaX * unit, 0);
    else session.view.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0022)), this.at(event));
    session.redraw();
  }
}
