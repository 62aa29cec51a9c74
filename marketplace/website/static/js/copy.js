/* Shows every <button data-copy="id" hidden>, which copies the text of the element with that id.
 *
 * `data-copied` is what the button says for a moment once it has. Without this script, or where the
 * browser gives no clipboard, the button stays hidden and the text is copied by hand.
 */

const MOMENT = 2000;

function show(within) {
  if (!navigator.clipboard) return;
  for (const button of within.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  const source = button && document.getElementById(button.dataset.copy);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
  } catch {
    getSelection().selectAllChildren(source);
    return;
  }
  button.dataset.label ??= button.textContent;
  button.setAttribute("aria-live", "polite");
  button.textContent = button.dataset.copied || button.dataset.label;
  setTimeout(() => (button.textContent = button.dataset.label), MOMENT);
});
document.addEventListener("htmx:load", (event) => show(event.target));
show(document);
