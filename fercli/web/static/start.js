// The page for images and videos: what is chosen, dropped or pasted, and what is done with it.

import { byId, mega, plural, say } from "./common.js";
import { analyzeImages, leaveImages, showExample } from "./image.js";
import { analyzeVideo, leaveVideo, resumeVideo } from "./video.js";

const input = byId("file");
const most = { video: Number(input.dataset.video), image: Number(input.dataset.image), images: Number(input.dataset.images) };
const VIDEO_NAMES = /\.(mp4|m4v|mov|mkv|webm|avi|ogv|mpe?g|m?ts)$/i;
const isVideo = ({ type, name }) => type.startsWith("video/") || (!type.startsWith("image/") && VIDEO_NAMES.test(name));

function refusal(files) {
  if (files.length > 1 && files.some(isVideo)) return "Choose one video at a time, or several images.";
  if (files.length > most.images) return `Choose at most ${plural(most.images, "image")} at a time.`;
  for (const file of files) {
    const allowed = most[isVideo(file) ? "video" : "image"];
    if (file.size > allowed) return `${file.name} has ${mega(file.size)} MB; ${mega(allowed)} MB are allowed.`;
  }
  return "";
}

function take(list) {
  const files = [...list];
  if (!files.length) return;
  const reason = refusal(files);
  if (reason) return say(reason, true);
  leaveVideo();
  leaveImages();
  if (isVideo(files[0])) analyzeVideo(files[0]);
  else analyzeImages(files);
}

for (const one of [input, byId("photo")]) {
  // Else the same file, chosen again after an error, would be no change.
  one.addEventListener("click", () => { one.value = ""; });
  one.addEventListener("change", () => take(one.files));
}
document.addEventListener("paste", (event) => take(event.clipboardData.files));
const zone = input.closest(".drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files);
  });
}
byId("sample").addEventListener("click", async () => {
  const blob = await (await fetch(byId("sample").dataset.image)).blob();
  take([new File([blob], "sample.jpg", { type: "image/jpeg" })]);
});
byId("cancel").addEventListener("click", () => {
  leaveVideo();
  say("Canceled.");
});
if (!resumeVideo()) showExample();
