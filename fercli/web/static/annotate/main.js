// The page: what it listens to, and its begin.

import { actions } from "./actions.js";
import { context, session, draw, say, stage } from "./state.js";
import { anyOpen } from "./dialogs.js";
import { colorOfClass } from "./drawing.js";
import { press } from "./keys.js";
import { changed } from "./saving.js";
import { sendLast } from "./server.js";
import { begin, filter, go, lookAgain } from "./navigation.js";
import { byId } from "./labels.js";
import { lookAtTraining } from "./training.js";

session.changed = changed;
session.corrected = () => session.model.setKind(session.model.selected, "box");

function keyDown(event) {
  if (anyOpen()) return;
  const control = event.target.closest?.("button, input, a");
  if (event.target.closest?.("select, input:not([type=checkbox])")) {
    if (event.key === "Escape") stage.focus();
    return; // where one types
  }
  if (control && [" ", "Enter"].includes(event.key)) return; // they press it
  if (event.key === " ") session.spaceHeld = true;
  if (event.key === " " || press(event, actions)) event.preventDefault();
}

function listen() {
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => actions[button.dataset.act]());
  }
  for (const [at, button] of [...document.querySelectorAll("[data-class]")].entries()) {
    button.firstElementChild.style.background = colorOfClass(button.dataset.class);
    button.addEventListener("click", () => actions.label(at));
  }
  byId("lock").addEventListener("change", () => {
    if (session.model) session.model.lastChange = null; // what follows is undone by itself
    session.redraw();
  });
  byId("jump").addEventListener("change", ({ target }) => {
    const at = Number(target.value) - 1;
    stage.focus();
    if (session.images[at]) go(at);
    else say(`There are images 1 to ${session.images.length}.`, true);
  });
  byId("filter").addEventListener("change", ({ target }) => filter(target.value));
  for (const name of ["brightness", "contrast"]) {
    byId(name).addEventListener("input", ({ target }) => {
      session.light[name] = Number(target.value);
      session.redraw();
    });
  }
  document.addEventListener("keydown", keyDown);
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") session.spaceHeld = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (session.model?.dirty) event.preventDefault();
  });
  window.addEventListener("pagehide", () => session.model?.dirty && sendLast(session.model));
  window.addEventListener("hashchange", () => {
    const at = Number(location.hash.slice(1)) - 1;
    if (session.images[at] && at !== session.wanted) go(at);
  });
  document.addEventListener("visibilitychange", () => document.hidden || lookAgain());
  new ResizeObserver(resize).observe(stage);
}

function resize() {
  session.cross = null; // it was of another layout
  const { view } = session;
  const { fitted } = view;
  const { clientWidth: width, clientHeight: height } = stage;
  const ratio = window.devicePixelRatio || 1;
  view.area = { width, height };
  Object.assign(context.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  if (fitted || !session.model) view.fit();
  else view.keep();
  draw();
}

async function start() {
  listen();
  resize();
  stage.focus();
  await lookAtTraining();
  await begin();
}

start().catch((error) => say(error.message, true));
