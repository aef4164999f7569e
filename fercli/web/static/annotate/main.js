// The page: what it listens to, and its begin.

import { acts } from "./actions.js";
import { context, desk, draw, say, stage } from "./state.js";
import { anyOpen } from "./dialogs.js";
import { press } from "./keys.js";
import { changed } from "./saving.js";
import { sendLast } from "./server.js";
import { begin, go, lookAgain } from "./navigation.js";
import { byId } from "./labels.js";

desk.changed = changed;
desk.corrected = () => desk.model.setKind(desk.model.selected, "box");

function keyDown(event) {
  if (anyOpen()) return;
  const control = event.target.closest?.("button, input, a");
  if (control && [" ", "Enter"].includes(event.key)) return; // they press it
  if (event.key === " ") desk.spaceHeld = true;
  if (event.key === " " || press(event, acts)) event.preventDefault();
}

function listen() {
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => acts[button.dataset.act]());
  }
  byId("lock").addEventListener("change", () => {
    if (desk.model) desk.model.lastChange = null; // what follows is undone by itself
    desk.redraw();
  });
  document.addEventListener("keydown", keyDown);
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") desk.spaceHeld = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (desk.model?.dirty) event.preventDefault();
  });
  window.addEventListener("pagehide", () => desk.model?.dirty && sendLast(desk.model));
  window.addEventListener("hashchange", () => {
    const at = Number(location.hash.slice(1)) - 1;
    if (desk.images[at] && at !== desk.wanted) go(at);
  });
  document.addEventListener("visibilitychange", () => document.hidden || lookAgain());
  new ResizeObserver(resize).observe(stage);
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
  listen();
  resize();
  stage.focus();
  await begin();
}

start().catch((error) => say(error.message, true));
