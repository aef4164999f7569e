// Questions to the server, and the saving of images: one at a time, until all is kept.

const address = (number, what = "") => `/api/v1/images/${number}${what}`;

async function ask(path, options = {}) {
  const response = await fetch(path, options).catch(() => {
    throw new Error("the server does not answer");
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    const error = new Error(answer?.error?.reason ?? `the server says ${response.status}`);
    throw Object.assign(error, { status: response.status, current: answer?.current });
  }
  return answer;
}

const sending = (body) => ({
  method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

export const listImages = async () =>
  (await ask("/api/v1/images")).images.map(([name, state, boxes]) => ({ name, state, boxes }));
export const getImage = (number) => ask(address(number));
export async function getSuggestions(number) {
  const { boxes, scores, labels, rounds, cascades } = await ask(address(number, "/suggestions"));
  return boxes.map((box, at) =>
    ({ box, score: scores[at], label: labels[at] || undefined, round: rounds[at], cascade: cascades[at] }));
}
export const getTraining = () => ask("/api/v1/training");
export const startTraining = (label) => ask("/api/v1/training", { ...sending({ label }), method: "POST" });
export const cancelTraining = () => ask("/api/v1/training", { method: "DELETE" });
export const imageAddress = (number) => address(number, "/image");
export const thumbnailAddress = (number) => address(number, "/thumbnail");

// Send the last changes of a page that is being left.
export const sendLast = (model) =>
  fetch(address(model.number), { ...sending(model.body), keepalive: true }).catch(() => {});

export class Saver {
  constructor({ onSaved, onTrouble, onConflict }) {
    Object.assign(this, { onSaved, onTrouble, onConflict });
    this.timer = 0;
  }

  // Save in a moment: a box that is being moved is not saved at each pixel.
  soon(model) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(model).catch(() => {}), 250);
  }

  // Save, and tell whether all is kept; one saving of an image at a time.
  async now(model) {
    clearTimeout(this.timer);
    while (model.saving) await model.saving.catch(() => {});
    model.saving = this.all(model);
    try {
      await model.saving;
    } finally {
      model.saving = null;
    }
  }

  async all(model) {
    while (model.dirty) {
      try {
        model.accepted(await ask(address(model.number), sending(model.body)));
        this.onSaved(model);
      } catch (error) {
        if (error.status === 409) {
          await this.onConflict(model, error.current);
        } else {
          this.onTrouble(model, error);
          // What the server refuses it would refuse again; one that is away may come back.
          if (!error.status) this.timer = setTimeout(() => this.now(model).catch(() => {}), 2000);
          throw error;
        }
      }
    }
  }
}
