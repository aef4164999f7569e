// Search in pages that were opened from the disk, where browsers allow no workers: the worker's
// script runs in a hidden frame instead. The theme looks for the name IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inner = frame.contentWindow;
      // What a worker posts comes out here.
      this.inner.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      this.loaded = new Promise((resolve) => {
        const script = this.inner.document.createElement("script");
        script.onload = resolve;
        script.src = address;
        this.inner.document.body.append(script);
      });
    }

    postMessage(data) {
      this.loaded.then(() =>
        this.inner.dispatchEvent(new this.inner.MessageEvent("message", { data })),
      );
    }

    terminate() {}
  };
  window.Worker = window.IFrameWorker;
}
