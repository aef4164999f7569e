// The keys: what each does, and the list of them in the help.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `actions` by name; returns whether the key meant something.
export function press(event, actions) {
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (control && key === "z") return event.shiftKey ? actions.redo() : actions.undo(), true;
  if (control && key === "y") return actions.redo(), true;
  if (control && key === "d") return actions.duplicate(), true;
  if (key in ARROWS) {
    const [right, down] = ARROWS[key].map((step) => step * (control ? 10 : 1));
    return event.shiftKey ? actions.grow(right, down) : actions.move(right, down);
  }
  if (control || event.altKey) return false;
  if (event.shiftKey && key === "f") return actions.acceptFrames(), true;
  if (/^[1-9]$/.test(key)) return actions.label(Number(key) - 1);
  const act = {
    w: actions.draw, d: actions.next, c: actions.copyPrevious, g: actions.jump, n: actions.next, PageDown: actions.next, p: actions.previous, PageUp: actions.previous, u: actions.unseen,
    x: actions.negative, b: actions.create, j: actions.select, k: actions.selectBefore, Delete: actions.remove,
    Backspace: actions.remove, Enter: actions.enter, a: actions.acceptAll, r: actions.refuseAll, s: actions.suggest,
    o: actions.object, i: actions.ignore, e: actions.difficult, f: actions.acceptNext, v: actions.list, t: actions.train, l: actions.lock, "+": actions.zoomIn, "=": actions.zoomIn, "-": actions.zoomOut, 0: actions.fit,
    Escape: actions.leave, "?": actions.help, h: actions.help,
  }[key];
  if (!act) return false;
  act();
  return true;
}
