// The frame with the runs being taken: as high as its content, and hidden if there are none.
addEventListener("message", (message) => {
  const frame = document.getElementById("live");
  if (message.source !== frame.contentWindow || !Number.isFinite(message.data?.height)) return;
  frame.style.height = `${Math.min(Math.max(message.data.height, 0), 20000)}px`;
  frame.tabIndex = message.data.height > 0 ? 0 : -1;
  document.getElementById("taken").hidden = message.data.height <= 0;
});
document.getElementById("taken").addEventListener("click", () => document.getElementById("live").scrollIntoView());
