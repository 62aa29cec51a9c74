/* Says at once when a chosen file is too large: <input type="file" data-most="bytes" data-too-large="words">.
 *
 * The server says so, too; but a browser that sends too much loses what was typed.
 */

document.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || !target.dataset.most) return;
  const tooLarge = [...target.files].some((file) => file.size > Number(target.dataset.most));
  target.setCustomValidity(tooLarge ? target.dataset.tooLarge : "");
  target.reportValidity();
  if (tooLarge) target.value = "";
});
