// From which score on suggestions are shown: one threshold a cascade, that of the class at hand is on
// the slider.

import { byId, plural } from "./labels.js";
import { isShown, Model } from "./model.js";
import { session, watchTell } from "./state.js";

const strongest = {}; // the highest score that a cascade has given so far

const cascadeAtHand = () => ((Model.label ?? "") in Model.thresholds ? Model.label ?? "" : "");

// A cascade has given a score.
export function seen({ cascade, score }) {
  if (cascade !== null) strongest[cascade] = Math.max(strongest[cascade] ?? 0, score);
}

// The server tells which cascades suggest; the `fresh` one begins with its own threshold.
export function setThresholds(thresholds, fresh) {
  for (const [cascade, value] of Object.entries(thresholds)) {
    if (cascade !== fresh && cascade in Model.thresholds) continue;
    Model.thresholds[cascade] = value;
    strongest[cascade] = 4 * value;
  }
  tellThreshold();
}

function tellThreshold() {
  const slider = byId("threshold");
  if (!slider) return;
  const [cascade, most] = [cascadeAtHand(), strongest[cascadeAtHand()] || 1];
  slider.parentElement.hidden = !Object.keys(Model.thresholds).length;
  Object.assign(slider, { max: most, step: most / 100, value: Model.thresholds[cascade] ?? 0 });
  const share = Math.round((100 * (Model.thresholds[cascade] ?? 0)) / most);
  slider.setAttribute("aria-valuetext", `${share} % of the highest score`);
  byId("threshold-value").textContent = `${share} %`;
}

function tellFinding() {
  const { model } = session;
  const place = byId("finding");
  if (!place) return;
  place.classList.toggle("busy", Boolean(model?.coming));
  const count = model?.of("pending").length ?? 0;
  const some = count ? plural(count, "suggestion", "suggestions") : model?.found ? "No suggestion" : "";
  place.textContent = model?.coming ? "Suggestions are coming …" : some;
}

byId("threshold")?.addEventListener("input", ({ target }) => {
  Model.thresholds[cascadeAtHand()] = Number(target.value);
  const { model } = session;
  if (model?.current && !isShown(model.current)) model.selected = -1;
  session.told();
  session.redraw();
});
watchTell.push(tellThreshold, tellFinding);
