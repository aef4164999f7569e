// The keys: what each does, and the list of them in the help.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `acts` by name; returns whether the key meant something.
export function press(event, acts) {
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (control && key === "z") return event.shiftKey ? acts.redo() : acts.undo(), true;
  if (control && key === "y") return acts.redo(), true;
  if (key in ARROWS) {
    const [right, down] = ARROWS[key].map((step) => step * (control ? 10 : 1));
    return event.shiftKey ? acts.grow(right, down) : acts.move(right, down);
  }
  if (control || event.altKey) return false;
  const act = {
    n: acts.next, PageDown: acts.next, p: acts.previous, PageUp: acts.previous, u: acts.unseen,
    x: acts.negative, b: acts.create, j: acts.select, k: acts.selectBefore, Delete: acts.remove,
    Backspace: acts.remove, Enter: acts.enter, a: acts.acceptAll, r: acts.refuseAll, s: acts.suggest,
    o: acts.object, l: acts.lock, "+": acts.zoomIn, "=": acts.zoomIn, "-": acts.zoomOut, 0: acts.fit,
    Escape: acts.leave, "?": acts.help, h: acts.help,
  }[key];
  if (!act) return false;
  act();
  return true;
}
